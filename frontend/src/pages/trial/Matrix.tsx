// A confusion matrix of which each cell opens its images; a cell's shade is its share of the true class.
import { count } from "../../components/format";
import styles from "./trial.module.css";
import { Scrolls } from "../../components/Scrolls";

const SMALL = 12; // more classes get smaller cells

/** Counts (true, predicted); the share of the row decides the shade, in five steps. */
export function Matrix({ rows, columns, matrix, noun, chosen, onChoose }: {
  rows: string[];
  columns: string[];
  matrix: number[][];
  noun: string;
  chosen?: { true: string | undefined; predicted: string | undefined };
  onChoose?: (cell: { true: string; predicted: string }) => void;
}) {
  const small = columns.length > SMALL;
  return (
    <Scrolls label="confusion matrix">
      <table className={`${styles.matrix} ${small ? styles.small : ""}`}>
        <caption className="hidden-text">Rows are true classes, columns are predicted ones.</caption>
        <thead>
          <tr>
            <th className={styles.corner}>true ↓<br />predicted →</th>
            {columns.map((column) => (
              <th key={column} scope="col" title={column} data-slanted={columns.length > 6}>
                {column}
              </th>
            ))}
            <th scope="col" className="number">
              all
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => {
            const counts = matrix[i] ?? [];
            const whole = counts.reduce((sum, value) => sum + value, 0);
            return (
              <tr key={row}>
                <th scope="row" title={row}>
                  {row}
                </th>
                {columns.map((column, j) => {
                  const value = counts[j] ?? 0;
                  const label = `${row} predicted as ${column}: ${count(value, noun)} of ${whole}`;
                  return (
                    <td key={column}>
                      <button
                        type="button"
                        className={styles.cell}
                        data-step={step(value, whole)}
                        data-diagonal={i === j}
                        disabled={value === 0 || onChoose === undefined}
                        aria-label={label}
                        title={label}
                        aria-pressed={chosen === undefined ? undefined : chosen.true === row && chosen.predicted === column}
                        onClick={() => onChoose?.({ true: row, predicted: column })}
                      >
                        {value === 0 ? "" : value}
                      </button>
                    </td>
                  );
                })}
                <td className="number muted">{whole}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scrolls>
  );
}

function step(value: number, whole: number): number {
  if (value === 0) return 0;
  const share = value / whole;
  return share > 0.75 ? 4 : share > 0.4 ? 3 : share > 0.15 ? 2 : 1;
}
