// What the prediction depends on: computed in the background when it is asked for, and kept.
import { useEffect, useState } from "react";
import { $api, addressOf } from "../../api/client";
import { Button } from "../../components/controls";
import { figure } from "../../components/format";
import { Answer } from "../../components/states";
import type { TrialName } from "../trial/address";
import { again, WorkWait } from "../trial/WorkWait";

export function Explanation({ trial, row, shown, onShow }: {
  trial: TrialName;
  row: number;
  shown: boolean;
  onShow: (overlay: string | null) => void;
}) {
  const [wanted, setWanted] = useState(false);
  if (!wanted)
    return (
      <div className="line">
        <Button onPress={() => setWanted(true)}>Explain the prediction</Button>
        <span className="muted small">hides parts of the image and looks what changes; takes some seconds</span>
      </div>
    );
  return <Asked trial={trial} row={row} shown={shown} onShow={onShow} />;
}

function Asked({ trial, row, shown, onShow }: { trial: TrialName; row: number; shown: boolean; onShow: (overlay: string | null) => void }) {
  const query = $api.useQuery(
    "get",
    "/api/v1/runs/{run_id}/trials/{number}/explanations/{row}",
    { params: { path: { run_id: trial.runId, number: trial.number, row } } },
    { refetchInterval: (one) => (one.state.data?.reason ? false : again(one.state.data?.progress)) },
  );
  const isDone = query.data?.progress?.state === "done" && query.data.method !== null;
  const overlay = addressOf(`runs/${encodeURIComponent(trial.runId)}/trials/${trial.number}/explanations/${row}/overlay`);
  useEffect(() => {
    if (isDone) onShow(overlay);
  }, [isDone, overlay, onShow]);
  return (
    <Answer query={query}>
      {(found) => {
        if (found.progress === null) return <p className="muted">{found.reason}</p>;
        if (!isDone) return <WorkWait progress={found.progress} doing="Hiding parts of the image." />;
        return (
          <div className="line">
            <Button onPress={() => onShow(shown ? null : overlay)} aria-pressed={shown}>
              {shown ? "Show the image" : "Show the explanation"}
            </Button>
            <span className="muted small">
              what {found.label} ({figure(found.probability)}) depends on, by {found.method}; the line encloses the strongest tenth
            </span>
          </div>
        );
      }}
    </Answer>
  );
}
