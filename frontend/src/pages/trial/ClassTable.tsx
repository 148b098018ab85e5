import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { Button } from "../../components/controls";
import { figure, metricName } from "../../components/format";
import { Section } from "../../components/Page";
import type { TrialName } from "./address";
import { mistakesSearch } from "./CaseGallery";
import styles from "./trial.module.css";
import { Scrolls } from "../../components/Scrolls";

type Row = Schemas["EvaluationSummary"]["classes"][number];

const MOST = 50;

/** The figures of each class, sorted by a column; each class opens its mistakes. */
export function ClassTable({ trial, evaluation, split }: {
  trial: TrialName;
  evaluation: Schemas["EvaluationSummary"];
  split: string | undefined;
}) {
  const [sort, setSort] = useState<{ column: string; down: boolean } | null>(null);
  const [all, setAll] = useState(false);
  const columns = Object.keys(evaluation.classes[0] ?? {});
  const [name = "class", ...figures] = columns;
  if (evaluation.classes.length === 0) return null;
  const rows = sorted(evaluation.classes, sort);
  return (
    <Section title="Classes">
      <Scrolls label="classes">
        <table>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} className={column === name ? undefined : "number"} aria-sort={sort?.column === column ? (sort.down ? "descending" : "ascending") : undefined}>
                  <button type="button" className={styles.sort} onClick={() => setSort({ column, down: sort?.column === column && !sort.down })}>
                    {metricName(column)}
                    {sort?.column === column && <span aria-hidden> {sort.down ? "↓" : "↑"}</span>}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {(all ? rows : rows.slice(0, MOST)).map((row) => (
              <tr key={String(row[name])}>
                <td>
                  <Link
                    to="/runs/$runId/trials/$trial/mistakes"
                    params={{ runId: trial.runId, trial: String(trial.number) }}
                    search={mistakesSearch({ true: String(row[name]), mistakes: true }, split) as never}
                  >
                    {String(row[name])}
                  </Link>
                </td>
                {figures.map((column) => (
                  <td key={column} className="number">
                    {shown(row[column])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolls>
      {rows.length > MOST && !all && <Button onPress={() => setAll(true)}>Show all {rows.length} classes</Button>}
    </Section>
  );
}

function shown(value: Row[string] | undefined): string {
  if (value === null || value === undefined) return "–";
  return typeof value === "number" && !Number.isInteger(value) ? figure(value) : String(value);
}

function sorted(rows: Row[], sort: { column: string; down: boolean } | null): Row[] {
  if (sort === null) return rows;
  const sign = sort.down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [one, two] = [a[sort.column], b[sort.column]];
    if (typeof one === "number" && typeof two === "number") return sign * (one - two);
    return sign * String(one ?? "").localeCompare(String(two ?? ""));
  });
}
