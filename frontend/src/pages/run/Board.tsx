// The board: every trial in a row, of any number of which only those in sight are in the page.
import { useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useLayoutEffect, useMemo, useRef, useState } from "react";
import { axisOf } from "../../charts/IntervalDot";
import { ButtonLink } from "../../components/controls";
import { count } from "../../components/format";
import { Hotkeys } from "../../components/Hotkeys";
import { Section } from "../../components/Page";
import { listOf, listPart, textOf, useView } from "../../components/view";
import styles from "./Board.module.css";
import { BoardControls } from "./BoardControls";
import { columnsOf, sortedRows, type BoardColumn, type BoardRow, type RunDetails } from "./columns";

const ROW = 34; // pixels; the same for all, so that rows that are not drawn have a known place

/** The trials of a run. */
export function Board({ run }: { run: RunDetails }) {
  const [view, setView] = useView();
  const metrics = listOf(view.metrics);
  const axis = useMemo(() => axisOf(run.rows.flatMap((row) => [row.score, row.test_score])), [run.rows]);
  const all = columnsOf(run, axis, metrics);
  const chosen = listOf(view.columns);
  const columns = all.filter((column) => (chosen.length > 0 ? chosen.includes(column.id) || column.id === "trial" : column.isExtra !== true));
  const sort = all.find((column) => column.id === view.sort);
  const rows = sortedRows(run.rows, sort, view.descending === true);
  const selected = listOf(view.selected).map(Number).filter((trial) => run.rows.some((row) => row.trial === trial));
  const select = (trial: number) =>
    setView({ selected: listPart(selected.includes(trial) ? selected.filter((one) => one !== trial) : [...selected, trial].slice(-2)) });
  const keys = useBoardKeys(run, rows, selected, select);
  return (
    <Section title={`Board: ${count(run.rows.length, "trial")}`} aside={<Hotkeys hotkeys={keys.hotkeys} />}>
      <BoardControls run={run} columns={all} shown={columns} compare={<Compare run={run} selected={selected} />} />
      <BoardTable
        run={run} rows={rows} columns={columns} selected={selected} select={select} current={keys.current} setCurrent={keys.setCurrent}
        sort={textOf(view.sort)} descending={view.descending === true}
        onSort={(id) => setView(view.sort === id ? (view.descending === true ? { sort: undefined, descending: undefined } : { descending: true }) : { sort: id, descending: undefined })}
      />
      {run.measured_on !== "" && <p className="muted small">{run.measured_on}.</p>}
    </Section>
  );
}

function Compare({ run, selected }: { run: RunDetails; selected: number[] }) {
  if (selected.length < 2) return <span className="muted small">Choose two trials to compare them</span>;
  const trials = selected.join(",");
  return (
    <ButtonLink kind="primary" to="/runs/$runId/compare" params={{ runId: run.id }} search={{ trials }}>
      Compare {selected.join(" and ")}
    </ButtonLink>
  );
}

/** The row that the keys are about, and what they do. */
function useBoardKeys(run: RunDetails, rows: BoardRow[], selected: number[], select: (trial: number) => void) {
  const [current, setCurrent] = useState<number | null>(null);
  const navigate = useNavigate();
  const place = rows.findIndex((row) => row.trial === current);
  const move = (step: number) => setCurrent(rows[Math.min(rows.length - 1, Math.max(0, place + step))]?.trial ?? null);
  const onRow = (act: (trial: number) => void) => () => (current === null ? move(1) : act(current));
  const hotkeys = [
    { keys: ["j", "ArrowDown"], title: "Next trial", run: () => move(1) },
    { keys: ["k", "ArrowUp"], title: "Trial before", run: () => move(-1) },
    { keys: ["Enter"], title: "Open the trial", run: onRow((trial) => void navigate({ to: "/runs/$runId/trials/$trial", params: { runId: run.id, trial: String(trial) } })) },
    { keys: ["x"], title: "Select the trial, or not", run: onRow(select) },
    {
      keys: ["c"],
      title: "Compare the two that are selected",
      run: () => {
        if (selected.length === 2) void navigate({ to: "/runs/$runId/compare", params: { runId: run.id }, search: { trials: selected.join(",") } });
      },
    },
  ];
  return { current, setCurrent, hotkeys };
}

function BoardTable({ run, rows, columns, selected, select, current, setCurrent, sort, descending, onSort }: {
  run: RunDetails;
  rows: BoardRow[];
  columns: BoardColumn[];
  selected: number[];
  select: (trial: number) => void;
  current: number | null;
  setCurrent: (trial: number) => void;
  sort: string;
  descending: boolean;
  onSort: (id: string) => void;
}) {
  const place = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoized
  const shown = useVirtualizer({ count: rows.length, getScrollElement: () => place.current, estimateSize: () => ROW, overscan: 12, scrollPaddingStart: ROW + 8 });
  const index = rows.findIndex((row) => row.trial === current);
  useLayoutEffect(() => {
    if (index < 0) return;
    shown.scrollToIndex(index, { align: "auto" });
    const frame = requestAnimationFrame(() => place.current?.querySelector<HTMLElement>(`[data-trial="${current}"]`)?.focus({ preventScroll: true }));
    return () => cancelAnimationFrame(frame);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only a change of the row moves the focus
  }, [current]);
  const items = shown.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = shown.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <div ref={place} className={styles.scroller} role="group" aria-label="board" tabIndex={0}>
      <table className={styles.board} aria-rowcount={rows.length + 1} style={{ minWidth: 40 + columns.reduce((sum, column) => sum + (column.width ?? 100), 0) }}>
        <caption className="hidden-text">Trials of {run.id}, best first</caption>
        <colgroup>
          <col style={{ width: 40 }} />
          {columns.map((column) => (
            <col key={column.id} style={{ width: column.width ?? 100 }} />
          ))}
        </colgroup>
        <thead>
          <tr>
            <th scope="col"><span className="hidden-text">Selected</span></th>
            {columns.map((column) => (
              <th key={column.id} scope="col" className={column.isNumber ? "number" : ""} aria-sort={sort === column.id ? (descending ? "descending" : "ascending") : undefined}>
                {column.value === undefined ? column.title : (
                  <button type="button" className={styles.sort} onClick={() => onSort(column.id)}>
                    {column.title} <span aria-hidden>{sort === column.id ? (descending ? "↓" : "↑") : ""}</span>
                  </button>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {before > 0 && <tr aria-hidden className={styles.gap}><td colSpan={columns.length + 1} style={{ height: before }} /></tr>}
          {items.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            const isSelected = selected.includes(row.trial);
            return (
              <tr
                key={row.trial} data-trial={row.trial} aria-rowindex={item.index + 2} data-selected={isSelected}
                tabIndex={row.trial === current || (current === null && item.index === 0) ? 0 : -1}
                onFocus={(event) => event.target === event.currentTarget && setCurrent(row.trial)}
                className={styles.row} style={{ height: ROW }}
              >
                <td><label className={styles.check}><input type="checkbox" checked={isSelected} onChange={() => select(row.trial)} aria-label={`select trial ${row.trial}`} /></label></td>
                {columns.map((column) => (
                  <td key={column.id} className={column.isNumber ? "number" : ""}>{column.cell(row)}</td>
                ))}
              </tr>
            );
          })}
          {after > 0 && <tr aria-hidden className={styles.gap}><td colSpan={columns.length + 1} style={{ height: after }} /></tr>}
        </tbody>
      </table>
      {rows.length === 0 && <p className="muted">{run.note !== "" ? "No trial keeps these limits." : "No trial has begun yet."}</p>}
    </div>
  );
}
