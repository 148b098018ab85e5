// Which images are shown: all of it is in the address.
import type { Schemas } from "../../api/client";
import { Button, Select } from "../../components/controls";
import { figure } from "../../components/format";
import { textOf, useView } from "../trial/address";
import type { CaseFilter } from "../trial/CaseGallery";
import { markOf, outcomeOf } from "../trial/marks";
import trialStyles from "../trial/trial.module.css";
import styles from "./mistakes.module.css";

export function filterOf(view: ReturnType<typeof useView>["view"]): CaseFilter {
  return {
    mistakes: textOf(view, "show") === "all" ? undefined : true,
    suspected: textOf(view, "suspected") === "true" ? true : undefined,
    true: textOf(view, "true"),
    predicted: textOf(view, "predicted"),
    label: textOf(view, "label"),
    outcome: outcomeOf(view),
    kind: textOf(view, "kind"),
    attribute: textOf(view, "attribute"),
    value: textOf(view, "value"),
    ...markOf(view),
  };
}

const ANY = "";

export function Filters({ evaluation, classes, hasObjects }: {
  evaluation: Schemas["EvaluationSummary"] | undefined;
  classes: string[];
  hasObjects: boolean;
}) {
  const { view, set: change } = useView();
  const set = (changes: Record<string, string | boolean | undefined>) => change({ ...changes, row: undefined });
  const filter = filterOf(view);
  const shown = filter.suspected === true ? "suspected" : filter.mistakes === true ? "mistakes" : "all";
  const show = (which: string) => set({ show: which === "all" ? "all" : undefined, suspected: which === "suspected" ? true : undefined });
  const counts: Record<string, number | undefined> = { mistakes: evaluation?.mistakes, suspected: evaluation?.suspected, all: evaluation?.images };
  const names: Record<string, string> = { mistakes: "Mistakes", suspected: "Label may be wrong", all: "All images" };
  return (
    <div className={styles.filters}>
      <div className={trialStyles.segments} role="group" aria-label="which images">
        {["mistakes", "suspected", "all"].map((which) => (
          <button key={which} type="button" aria-pressed={shown === which} onClick={() => show(which)}>
            {names[which]} {counts[which]?.toLocaleString("en-US")}
          </button>
        ))}
      </div>
      <Choice label="True" value={filter.true} options={[...classes, ...(hasObjects ? ["no object"] : [])]} onChange={(name) => set({ true: name })} />
      <Choice label="Predicted" value={filter.predicted} options={[...classes, ...(hasObjects ? ["not found"] : [])]} onChange={(name) => set({ predicted: name })} />
      {evaluation !== undefined && evaluation.kinds.length > 0 && (
        <Choice label="Kind of error" value={filter.kind} options={evaluation.kinds.map((kind) => kind.name)} onChange={(name) => set({ kind: name })} />
      )}
      {(filter.label !== undefined || filter.threshold !== undefined) && (
        <Button onPress={() => set({ label: undefined, outcome: undefined, threshold: undefined })}>
          {filter.label} {filter.outcome} {filter.threshold !== undefined && `from ${figure(filter.threshold, 4)}`} <span aria-label="remove">×</span>
        </Button>
      )}
      {filter.lowest !== undefined && (
        <Button onPress={() => set({ lowest: undefined, highest: undefined, before_scaling: undefined })}>
          confidence {figure(filter.lowest, 4)} to {figure(filter.highest, 4)} <span aria-label="remove">×</span>
        </Button>
      )}
      {filter.attribute !== undefined && (
        <Button onPress={() => set({ attribute: undefined, value: undefined })}>
          {filter.attribute} {filter.value} <span aria-label="remove">×</span>
        </Button>
      )}
    </div>
  );
}

function Choice({ label, value, options, onChange }: {
  label: string;
  value: string | undefined;
  options: string[];
  onChange: (value: string | undefined) => void;
}) {
  return (
    <div className={styles.choice}>
      <Select
        label={label}
        options={[{ id: ANY, title: "any" }, ...options.map((name) => ({ id: name, title: name }))]}
        value={value ?? ANY}
        onChange={(id) => onChange(id === ANY ? undefined : id)}
      />
    </div>
  );
}
