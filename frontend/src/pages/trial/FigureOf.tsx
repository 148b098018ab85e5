// A figure of a trial with its table of values, and the images behind its marks.
import { useCallback } from "react";
import { $api } from "../../api/client";
import { Figure } from "../../charts/Figure";
import type { FigureJson, Mark } from "../../charts/plotly";
import { metricName } from "../../components/format";
import { Problem, Skeleton } from "../../components/states";
import { ApiError } from "../../api/client";
import { FigureTable } from "../../charts/FigureTable";
import type { Search } from "../../router";
import { useView, type TrialName } from "./address";

/** A figure, or the sentence why there is none. `opens` says what a mark adds to the address, null for nothing. */
export function FigureOf({ trial, split, name, opens }: {
  trial: TrialName;
  split: string | undefined;
  name: string;
  opens?: (mark: Mark) => Search | null;
}) {
  const { set } = useView();
  const open = useCallback(
    (mark: Mark) => {
      const search = opens?.(mark) ?? null;
      if (search !== null) set(search, true);
    },
    [opens, set],
  );
  const { data, error, refetch } = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/figures/{name}", {
    params: { path: { run_id: trial.runId, number: trial.number, name }, query: split === undefined ? {} : { split } },
  });
  if (error !== null && (error as unknown) instanceof ApiError && (error as unknown as ApiError).problem.status === 404)
    return <p className="muted">{(error as unknown as ApiError).problem.detail}</p>;
  if (error !== null) return <Problem error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton heights={[360]} />;
  const figure = data as unknown as FigureJson;
  return (
    <div className="stack">
      <Figure figure={figure} label={metricName(name)} {...(opens === undefined ? {} : { onClick: open })} />
      <FigureTable figure={figure} {...(opens === undefined ? {} : { onOpen: open, canOpen: (mark: Mark) => opens(mark) !== null })} />
    </div>
  );
}
