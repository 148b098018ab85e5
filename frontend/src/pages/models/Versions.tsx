// The versions of a model as a table; all rows share one axis.
import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import { axisOf, IntervalDot } from "../../charts/IntervalDot";
import { Tag } from "../../components/controls";
import { interval, metricName, moment, splitName } from "../../components/format";
import { addressParts, megabytes, milliseconds } from "./figures";
import { Scrolls } from "../../components/Scrolls";
import styles from "./models.module.css";

export type VersionSummary = Schemas["ModelVersionSummary"];

/** The aliases of a version; the one in use is marked. */
export function Aliases({ aliases }: { aliases: string[] }) {
  return (
    <span className="line">
      {aliases.map((alias) => (
        <Tag key={alias} tone={alias === "champion" ? "good" : "plain"}>
          {alias}
        </Tag>
      ))}
    </span>
  );
}

/** Where a version comes from: its run and its data, with links to what this workspace has. */
export function Origin({ version }: { version: VersionSummary }) {
  const data = addressParts(version.data_version);
  if (version.run === "") return <span className="muted">not known</span>;
  return (
    <span className={styles.nowrap}>
      {version.run_is_here ? (
        <Link to="/runs/$runId" params={{ runId: version.run }}>
          {version.run}
        </Link>
      ) : (
        version.run
      )}
      {data !== null && (
        <>
          {" on "}
          <Link to="/data/$name/$version" params={data}>
            {version.data_version}
          </Link>
        </>
      )}
    </span>
  );
}

export function VersionTable({ name, versions }: { name: string; versions: VersionSummary[] }) {
  const axis = axisOf(versions.map((version) => version.score));
  const first = versions.find((version) => version.metric !== null);
  const what = first === undefined ? "Metric" : `${metricName(first.metric ?? "")}, ${splitName(first.split ?? "")}`;
  return (
    <Scrolls label="versions">
      <table className={styles.table}>
        <caption className="hidden-text">Versions of {name}, the newest first</caption>
        <colgroup>
          {[150, 200, 180, 150, 90, 100, 210, 320].map((width, i) => (
            <col key={i} style={{ width }} />
          ))}
        </colgroup>
        <thead>
          <tr>
            <th>Version</th>
            <th>Aliases</th>
            <th colSpan={2}>{what} images</th>
            <th className="number">Latency</th>
            <th className="number">Size</th>
            <th>Registered</th>
            <th>Trained by</th>
          </tr>
        </thead>
        <tbody>
          {versions.map((version) => (
            <tr key={version.id}>
              <td className={styles.version}>
                <Link to="/models/$name/$version" params={{ name: version.name, version: String(version.number) }}>
                  {version.id}
                </Link>
              </td>
              <td>
                <Aliases aliases={version.aliases} />
              </td>
              {version.problem === null ? (
                <>
                  <td className={styles.nowrap}>{interval(version.score)}</td>
                  <td className={styles.dot}>
                    <IntervalDot
                      found={version.score}
                      axis={axis}
                      emphasis={version.aliases.includes("champion") ? "recommended" : "plain"}
                    />
                  </td>
                </>
              ) : (
                <td colSpan={2} className={styles.problem}>
                  {version.problem}
                </td>
              )}
              <td className="number">{milliseconds(version.latency_ms)}</td>
              <td className="number">{megabytes(version.size_mb)}</td>
              <td className={styles.nowrap}>
                {moment(version.created)}
                {version.user !== "" && <span className="muted"> by {version.user}</span>}
              </td>
              <td>
                <Origin version={version} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolls>
  );
}
