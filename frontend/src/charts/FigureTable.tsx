// The values of a figure as a table, for those who do not see it or want the numbers.
import { useState } from "react";
import type { FigureJson } from "./plotly";
import styles from "./FigureTable.module.css";

const MOST = 500;

interface Typed {
  dtype: string;
  bdata: string;
  shape?: string;
}

const ARRAYS: Record<string, (buffer: ArrayBuffer) => ArrayLike<number>> = {
  f8: (buffer) => new Float64Array(buffer),
  f4: (buffer) => new Float32Array(buffer),
  i4: (buffer) => new Int32Array(buffer),
  i2: (buffer) => new Int16Array(buffer),
  i1: (buffer) => new Int8Array(buffer),
  u4: (buffer) => new Uint32Array(buffer),
  u2: (buffer) => new Uint16Array(buffer),
  u1: (buffer) => new Uint8Array(buffer),
};

/** The values of a trace's column: a list, or Plotly's Base64 arrays. */
function valuesOf(column: unknown): unknown[] {
  if (Array.isArray(column)) return column;
  const typed = column as Typed | undefined;
  if (typed?.bdata === undefined) return [];
  const make = ARRAYS[typed.dtype];
  if (make === undefined) return [];
  return Array.from(make(Uint8Array.from(atob(typed.bdata), (one) => one.charCodeAt(0)).buffer));
}

function text(value: unknown): string {
  if (value === null || value === undefined || (typeof value === "number" && Number.isNaN(value))) return "–";
  return typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value);
}

function titleOf(figure: FigureJson, axis: "xaxis" | "yaxis"): string {
  const found = figure.layout[axis] as { title?: { text?: string } } | undefined;
  return found?.title?.text || axis[0] || "";
}

function rowsOf(figure: FigureJson): [string, string, string][] {
  const ticks = (axis: "xaxis" | "yaxis") => (figure.layout[axis] as { ticktext?: string[] } | undefined)?.ticktext;
  const named = (value: unknown, names: string[] | undefined) => (typeof value === "number" ? (names?.[value] ?? value) : value);
  const rows: [string, string, string][] = [];
  for (const trace of figure.data) {
    if (trace.hoverinfo === "skip") continue;
    const [x, y] = [valuesOf(trace.x), valuesOf(trace.y)];
    for (let i = 0; i < Math.max(x.length, y.length) && rows.length < MOST; i++)
      rows.push([text(trace.name ?? ""), text(named(x[i], ticks("xaxis"))), text(named(y[i], ticks("yaxis")))]);
  }
  return rows;
}

/** A table that opens below a figure. */
export function FigureTable({ figure }: { figure: FigureJson }) {
  const [open, setOpen] = useState(false);
  const rows = open ? rowsOf(figure) : [];
  return (
    <details className={styles.details} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Show as a table</summary>
      {open && (
        <div className={styles.values} tabIndex={0} role="region" aria-label="values of the figure">
          <table>
            <thead>
              <tr>
                <th>Series</th>
                <th className="number">{titleOf(figure, "xaxis")}</th>
                <th className="number">{titleOf(figure, "yaxis")}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(([name, x, y], i) => (
                <tr key={i}>
                  <td>{name}</td>
                  <td className="number">{x}</td>
                  <td className="number">{y}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {rows.length === MOST && <p className="muted small">The first {MOST} values.</p>}
        </div>
      )}
    </details>
  );
}
