// The values of a figure as a table, for those who do not see it or want the numbers.
import { useState } from "react";
import { Button } from "../components/controls";
import type { FigureJson, Mark } from "./plotly";
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
  const values = Array.from(make(Uint8Array.from(atob(typed.bdata), (one) => one.charCodeAt(0)).buffer));
  const columns = Number(typed.shape?.split(",")[1] ?? 1);
  if (columns === 1) return values;
  return Array.from({ length: values.length / columns }, (_, row) => values.slice(row * columns, (row + 1) * columns));
}

function text(value: unknown): string {
  if (value === null || value === undefined || (typeof value === "number" && Number.isNaN(value))) return "–";
  return typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : String(value);
}

function titleOf(figure: FigureJson, axis: "xaxis" | "yaxis"): string {
  const found = figure.layout[axis] as { title?: { text?: string } } | undefined;
  return found?.title?.text || axis[0] || "";
}

interface Row {
  texts: [string, string, string];
  mark: Mark;
}

function rowsOf(figure: FigureJson): Row[] {
  const ticks = (axis: "xaxis" | "yaxis") => (figure.layout[axis] as { ticktext?: string[] } | undefined)?.ticktext;
  const named = (value: unknown, names: string[] | undefined) => (typeof value === "number" ? (names?.[value] ?? value) : value);
  const rows: Row[] = [];
  for (const trace of figure.data) {
    if (trace.hoverinfo === "skip") continue;
    const [x, y, data] = [valuesOf(trace.x), valuesOf(trace.y), valuesOf(trace.customdata)];
    const series = (trace.meta ?? {}) as Record<string, unknown>;
    for (let i = 0; i < Math.max(x.length, y.length) && rows.length < MOST; i++)
      rows.push({
        texts: [text(trace.name ?? ""), text(named(x[i], ticks("xaxis"))), text(named(y[i], ticks("yaxis")))],
        mark: { x: x[i], data: data[i], series },
      });
  }
  return rows;
}

/** A table that opens below a figure; its rows open what the marks of the figure open. */
export function FigureTable({ figure, canOpen, onOpen }: {
  figure: FigureJson;
  canOpen?: (mark: Mark) => boolean;
  onOpen?: (mark: Mark) => void;
}) {
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
                {onOpen !== undefined && <td />}
              </tr>
            </thead>
            <tbody>
              {rows.map(({ texts: [name, x, y], mark }, i) => (
                <tr key={i}>
                  <td>{name}</td>
                  <td className="number">{x}</td>
                  <td className="number">{y}</td>
                  {onOpen !== undefined && (
                    <td>
                      {canOpen?.(mark) === true && (
                        <Button kind="quiet" aria-label={`Images of ${name} at ${x}`} onPress={() => onOpen(mark)}>
                          Images
                        </Button>
                      )}
                    </td>
                  )}
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
