// What the board shows: limits of latency and size, columns, further metrics.
import { useCallback, type ReactNode } from "react";
import { Button, DropDown } from "../../components/controls";
import { metricName } from "../../components/format";
import { listOf, listPart, positiveOf, textOf, useSettled, useView } from "../../components/view";
import styles from "./Board.module.css";
import type { BoardColumn, RunDetails } from "./columns";

export function BoardControls({ run, columns, shown, compare }: {
  run: RunDetails;
  columns: BoardColumn[];
  shown: BoardColumn[];
  compare: ReactNode;
}) {
  return (
    <div className={styles.controls}>
      <Limit name="ms" label="Under … ms per image" />
      <Limit name="mb" label="Under … MB" />
      <ColumnChoice run={run} columns={columns} shown={shown} />
      {compare}
    </div>
  );
}

function Limit({ name, label }: { name: "ms" | "mb"; label: string }) {
  const [view, setView] = useView();
  const change = useCallback((text: string) => setView({ [name]: positiveOf(text.replace(",", ".")) }), [name, setView]);
  const [draft, setDraft] = useSettled(textOf(view[name]), change);
  return (
    <label className={styles.limit}>
      {label}
      <input inputMode="decimal" value={draft} placeholder="any" onChange={(event) => setDraft(event.target.value)} />
    </label>
  );
}

function ColumnChoice({ run, columns, shown }: { run: RunDetails; columns: BoardColumn[]; shown: BoardColumn[] }) {
  const [view, setView] = useView();
  const metrics = listOf(view.metrics);
  const others = run.metric_names.filter((name) => name !== run.metric);
  const toggleColumn = (id: string) => {
    const ids = shown.map((column) => column.id);
    setView({ columns: listPart(ids.includes(id) ? ids.filter((one) => one !== id) : [...ids, id]) });
  };
  const toggleMetric = (name: string) => {
    const added = !metrics.includes(name);
    const ids = listOf(view.columns);
    setView({
      metrics: listPart(added ? [...metrics, name] : metrics.filter((one) => one !== name)),
      columns: ids.length === 0 ? undefined : listPart(added ? [...ids, `metric-${name}`] : ids.filter((id) => id !== `metric-${name}`)),
    });
  };
  return (
    <DropDown title="Columns" className={styles.choices}>
      {columns
        .filter((column) => column.id !== "trial" && !column.id.startsWith("metric-"))
        .map((column) => (
          <label key={column.id}>
            <input type="checkbox" checked={shown.includes(column)} onChange={() => toggleColumn(column.id)} />
            {column.name}
          </label>
        ))}
      {others.length > 0 && <h3>Further metrics, validation</h3>}
      {others.map((name) => (
        <label key={name}>
          <input type="checkbox" checked={metrics.includes(name)} onChange={() => toggleMetric(name)} />
          {metricName(name)}
        </label>
      ))}
      {view.columns !== undefined && <Button onPress={() => setView({ columns: undefined })}>The usual columns</Button>}
    </DropDown>
  );
}
