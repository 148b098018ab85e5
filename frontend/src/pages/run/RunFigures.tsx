// Figures of a run; points open their trial.
import { useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import { $api } from "../../api/client";
import { Figure } from "../../charts/Figure";
import type { FigureJson, Mark } from "../../charts/plotly";
import { Answer, Skeleton } from "../../components/states";

export type RunFigureName = "board" | "latency" | "size" | "parallel_coordinates" | "importance";

/** One figure of a run, or why it cannot be drawn. */
export function RunFigure({ runId, name, label }: { runId: string; name: RunFigureName; label: string }) {
  const navigate = useNavigate();
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}/figures", { params: { path: { run_id: runId }, query: { name: [name] } } }, { staleTime: 30_000 });
  const open = useCallback(
    ({ data }: Mark) => {
      const trial: unknown = Array.isArray(data) ? data[0] : data;
      if (typeof trial === "number") void navigate({ to: "/runs/$runId/trials/$trial", params: { runId, trial: String(trial) } });
    },
    [navigate, runId],
  );
  return (
    <Answer query={query} loading={<Skeleton heights={[360]} />}>
      {({ figures, missing }) => {
        const figure = figures[name] as unknown as FigureJson | undefined;
        if (figure === undefined) return <p className="muted">Not shown: {missing[name]}.</p>;
        return <Figure figure={figure} label={label} onClick={open} />;
      }}
    </Answer>
  );
}
