// Classes by split, and the further columns of the source.
import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import { count } from "../../components/format";
import { Scrolls } from "../../components/Scrolls";
import { Section } from "../../components/Page";
import styles from "./version.module.css";

export function Contents({ data }: { data: Schemas["VersionDetails"] }) {
  const splits = [...new Set(data.classes.flatMap(({ counts }) => Object.keys(counts)))];
  const most = Math.max(1, ...data.classes.map(({ total }) => total));
  return (
    <div className="stack">
      <Section title={`${count(data.classes.length, "class", "classes")}, ${data.labels_objects ? "objects" : "images"} of each`}>
        <p className={`${styles.legend} small`}>
          {splits.map((split) => (
            <span key={split} data-split={split}>
              {split}
            </span>
          ))}
        </p>
        <Scrolls label="classes by split">
          <table>
            <thead>
              <tr>
                <th>Class</th>
                <th />
                {splits.map((split) => (
                  <th key={split} className="number">
                    {split}
                  </th>
                ))}
                <th className="number">all</th>
              </tr>
            </thead>
            <tbody>
              {data.classes.map(({ name, counts, total }) => (
                <tr key={name}>
                  <td>
                    <Link to="." search={({ workspace }) => ({ workspace, label: name })}>
                      {name}
                    </Link>
                  </td>
                  <td style={{ width: "40%" }}>
                    <div className={styles.bar} style={{ background: "none" }} aria-hidden>
                      {splits.map((split) => (
                        <span key={split} data-split={split} style={{ width: `${(100 * (counts[split] ?? 0)) / most}%` }} />
                      ))}
                    </div>
                  </td>
                  {splits.map((split) => (
                    <td key={split} className="number">
                      {(counts[split] ?? 0).toLocaleString("en-US")}
                    </td>
                  ))}
                  <td className="number">{total.toLocaleString("en-US")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolls>
      </Section>
      {data.columns.length > 0 && (
        <Section title="Further columns">
          <Scrolls label="further columns">
            <table>
              <thead>
                <tr>
                  <th>Column</th>
                  <th>Kind</th>
                  <th className="number">Images with a value</th>
                  <th className="number">Values</th>
                  <th>Such as</th>
                </tr>
              </thead>
              <tbody>
                {data.columns.map((column) => (
                  <tr key={column.name}>
                    <td>{column.name}</td>
                    <td>{column.kind}</td>
                    <td className="number">{column.known.toLocaleString("en-US")}</td>
                    <td className="number">{column.values.toLocaleString("en-US")}</td>
                    <td>{column.examples.join(column.kind === "number" ? " to " : ", ")}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scrolls>
        </Section>
      )}
    </div>
  );
}
