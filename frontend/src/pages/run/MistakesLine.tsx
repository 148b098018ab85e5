// Where the recommended trial is wrong: the way to its mistakes, and to labels that may be wrong themselves.
import { Link } from "@tanstack/react-router";
import { $api } from "../../api/client";
import { count, splitName } from "../../components/format";

/** A sentence with links; nothing for a trial whose predictions are not kept. */
export function MistakesLine({ runId, trial }: { runId: string; trial: number }) {
  const path = { run_id: runId, number: trial };
  const details = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}", { params: { path } }, { staleTime: 60_000 });
  const splits = details.data?.splits ?? [];
  const split = splits.includes("test") ? "test" : splits[0];
  const asked = { enabled: split !== undefined, staleTime: 60_000 };
  const cases = (query: { mistakes?: boolean; suspected?: boolean }) => ({ params: { path, query: { ...query, split: split as "val" | "test", limit: 1 } } });
  const mistakes = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/cases", cases({ mistakes: true }), asked).data?.total;
  const suspected = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/cases", cases({ suspected: true }), asked).data?.total;
  if (split === undefined || mistakes === undefined || suspected === undefined) return null;
  if (mistakes === 0) return <p>No mistakes on the {splitName(split)} images.</p>;
  const to = "/runs/$runId/trials/$trial/mistakes";
  const params = { runId, trial: String(trial) };
  return (
    <p>
      <Link to={to} params={params} search={{ split }}>
        {count(mistakes, "mistake")}
      </Link>{" "}
      on the {splitName(split)} images
      {suspected > 0 && (
        <>
          ,{" "}
          <Link to={to} params={params} search={{ split, suspected: true }}>
            {suspected} may be wrong labels
          </Link>
        </>
      )}
      .
    </p>
  );
}
