// Which runs the list shows: by words, status, experiment and task; and which columns it has.
import { useCallback } from "react";
import { $api } from "../../api/client";
import { Button, DropDown } from "../../components/controls";
import { statusWord } from "../../components/format";
import { listPart, textOf, useSettled, useView } from "../../components/view";
import styles from "./Home.module.css";
import { COLUMNS, shownColumns } from "./runColumns";

const STATUSES = ["NotStarted", "Queued", "Preparing", "Running", "Finalizing", "Completed", "Failed", "Canceled", "Interrupted"];
const TASKS = ["image-classification", "image-classification-multi-label", "image-object-detection", "image-instance-segmentation"];
const GROUPS = [
  { value: "Queued,Preparing,Running,Finalizing,NotStarted", title: "waiting or working" },
  { value: "Failed,Interrupted", title: "failed or interrupted" },
];

export function RunFilters() {
  const [view, setView] = useView();
  const change = useCallback((text: string) => setView({ text: text || undefined, cursor: undefined }), [setView]);
  const [words, setWords] = useSettled(textOf(view.text), change);
  const experiments = $api.useQuery("get", "/api/v1/experiments", { params: { query: { limit: 500 } } });
  const isFiltered = ["text", "status", "experiment", "task"].some((name) => view[name] !== undefined);
  const choices = experiments.data?.items ?? [];
  return (
    <div className={styles.filters} role="search" aria-label="runs">
      <label className={styles.filter}>
        Words
        <input type="search" value={words} placeholder="in id, experiment, task, reason" onChange={(event) => setWords(event.target.value)} />
      </label>
      <Choice name="status" label="Status" options={[...GROUPS, ...STATUSES.map((value) => ({ value, title: statusWord(value) }))]} />
      <Choice name="experiment" label="Experiment" options={choices.map(({ name, runs }) => ({ value: name, title: `${name} (${runs})` }))} />
      <Choice name="task" label="Task" options={TASKS.map((value) => ({ value, title: value }))} />
      {isFiltered && (
        <Button kind="quiet" onPress={() => setView({ text: undefined, status: undefined, experiment: undefined, task: undefined, cursor: undefined })}>
          Show all
        </Button>
      )}
      <span className={styles.right}>
        <label className={styles.check}>
          <input type="checkbox" checked={view.group === "experiment"} onChange={(event) => setView({ group: event.target.checked ? "experiment" : undefined, cursor: undefined })} />
          Group by experiment
        </label>
        <ColumnChoice />
      </span>
    </div>
  );
}

function Choice({ name, label, options }: { name: string; label: string; options: { value: string; title: string }[] }) {
  const [view, setView] = useView();
  const value = textOf(view[name]);
  const known = options.some((option) => option.value === value);
  return (
    <label className={styles.filter}>
      {label}
      <select value={value} onChange={(event) => setView({ [name]: event.target.value || undefined, cursor: undefined })}>
        <option value="">any</option>
        {value !== "" && !known && <option value={value}>{value}</option>}
        {options.map((option) => (
          <option key={option.value} value={option.value}>{option.title}</option>
        ))}
      </select>
    </label>
  );
}

function ColumnChoice() {
  const [view, setView] = useView();
  const shown = shownColumns(view.columns);
  const toggle = (id: string) => setView({ columns: listPart(shown.includes(id) ? shown.filter((one) => one !== id) : [...shown, id]) });
  return (
    <DropDown title="Columns" className={styles.choices}>
      {COLUMNS.filter((column) => column.id !== "id").map((column) => (
        <label key={column.id} className={styles.check}>
          <input type="checkbox" checked={shown.includes(column.id)} onChange={() => toggle(column.id)} />
          {column.title}
        </label>
      ))}
    </DropDown>
  );
}
