// Saving the thresholds into the packaged model, which Try, the endpoint and the command line then decide by.
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { $api } from "../../../api/client";
import { Button, Dialog } from "../../../components/controls";
import { Problem } from "../../../components/states";
import type { TrialName } from "../address";
import { Scrolls } from "../../../components/Scrolls";

export function SavePoint({ trial, split, thresholds, wanted, classes }: {
  trial: TrialName;
  split: string | undefined;
  thresholds: number[];
  wanted: string;
  classes: string[];
}) {
  const path = { run_id: trial.runId, number: trial.number };
  const state = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/operating-point", { params: { path } });
  const client = useQueryClient();
  const refresh = { onSuccess: () => void client.invalidateQueries({ predicate: ({ queryKey }) => String(queryKey[1]).includes("operating-point") }) };
  const save = $api.useMutation("put", "/api/v1/runs/{run_id}/trials/{number}/operating-point", refresh);
  const reset = $api.useMutation("delete", "/api/v1/runs/{run_id}/trials/{number}/operating-point", refresh);
  const [asks, setAsks] = useState(false);
  if (state.data === undefined) return null;
  if (state.data.model === null) return <p className="muted small">It cannot be saved: {state.data.reason}.</p>;
  const confirm = () =>
    save.mutate(
      { params: { path, query: split === undefined ? {} : { split } }, body: { thresholds, wanted } },
      { onSuccess: () => setAsks(false) },
    );
  return (
    <div className="line">
      <Button kind="primary" onPress={() => setAsks(true)}>
        Save into the model
      </Button>
      <span className="muted small" role="status">
        {state.data.saved === null ? "The model decides by its own thresholds." : `The model decides by: ${state.data.saved.wanted}.`}
      </span>
      {state.data.saved !== null && (
        <Button kind="quiet" isDisabled={reset.isPending} onPress={() => reset.mutate({ params: { path } })}>
          Return to its own
        </Button>
      )}
      <Dialog title="Save this operating point?" isOpen={asks} onClose={() => setAsks(false)}>
        <p>
          Predictions of the packaged model, in Try, from the endpoint and from the command line, will be decided by {wanted}. Copies that were
          made before, such as registered versions, stay as they are.
        </p>
        <Scrolls label="thresholds">
          <table>
            <thead>
              <tr>
                <th>Class</th>
                <th className="number">Threshold</th>
              </tr>
            </thead>
            <tbody>
              {classes.slice(0, 20).map((name, label) => (
                <tr key={name}>
                  <td>{name}</td>
                  <td className="number">{thresholds[label]?.toFixed(4)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolls>
        {save.error !== null && <Problem error={save.error} />}
        <div className="line">
          <Button kind="primary" isDisabled={save.isPending} onPress={confirm}>
            Save
          </Button>
          <Button onPress={() => setAsks(false)}>Cancel</Button>
        </div>
      </Dialog>
    </div>
  );
}
