// What the thresholds decide: the confusion with images left open, or what is found, missed and shown wrongly.
import { useMemo } from "react";
import type { Schemas } from "../../../api/client";
import { Section } from "../../../components/Page";
import { Matrix } from "../Matrix";
import { confusion, outcomes } from "./measure";
import type { Table } from "./tables";
import { Scrolls } from "../../../components/Scrolls";

const MOST_CLASSES = 20; // a larger matrix cannot be read while it moves

export function Decisions({ tables, table, thresholds }: { tables: Schemas["ThresholdTables"]; table: Table; thresholds: number[] }) {
  const matrix = useMemo(
    () => (tables.kind === "label" && tables.classes.length <= MOST_CLASSES ? confusion(table, thresholds) : null),
    [tables, table, thresholds],
  );
  const rows = useMemo(() => outcomes(table, thresholds), [table, thresholds]);
  return (
    <Section title="What is decided">
      {matrix !== null ? (
        <Matrix rows={tables.classes} columns={[...tables.classes, "no answer"]} matrix={matrix} noun="image" />
      ) : (
        <Scrolls label="what is decided">
          <table>
            <thead>
              <tr>
                <th>Class</th>
                <th className="number">Threshold</th>
                <th className="number">Found</th>
                <th className="number">Missed</th>
                <th className="number">Shown wrongly</th>
              </tr>
            </thead>
            <tbody>
              {tables.classes.map((name, label) => (
                <tr key={name}>
                  <td>{name}</td>
                  <td className="number">{thresholds[label]?.toFixed(3)}</td>
                  <td className="number">{rows[label]?.found}</td>
                  <td className="number">{rows[label]?.missed}</td>
                  <td className="number">{rows[label]?.wrong}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolls>
      )}
    </Section>
  );
}
