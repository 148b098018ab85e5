import { $api, addressOf } from "../../api/client";
import { CopyButton } from "../../components/CopyButton";
import { Section } from "../../components/Page";
import { Answer } from "../../components/states";
import type { TrialName } from "./address";
import styles from "./trial.module.css";
import { Scrolls } from "../../components/Scrolls";

/** What the trial's process wrote, and its files. */
export function Files({ trial }: { trial: TrialName }) {
  const path = { run_id: trial.runId, number: trial.number };
  const log = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/log", { params: { path } });
  const files = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/files", { params: { path } });
  return (
    <>
      <Section title="Log">
        <Answer query={log}>
          {(found) =>
            found.text === "" ? (
              <p className="muted">The trial wrote nothing, which is as it should be: warnings and errors are what it writes.</p>
            ) : (
              <>
                {found.is_cut && <p className="muted small">The last lines; the whole is in log.txt.</p>}
                <pre className={styles.log} tabIndex={0} aria-label="log">
                  {found.text}
                </pre>
                <div className="line">
                  <CopyButton text={found.text} title="Copy the log" />
                </div>
              </>
            )
          }
        </Answer>
      </Section>
      <Section title="Files">
        <Answer query={files}>
          {(found) => (
            <Scrolls label="files">
              <table>
                <thead>
                  <tr>
                    <th>File</th>
                    <th className="number">Size</th>
                  </tr>
                </thead>
                <tbody>
                  {found.map((file) => (
                    <tr key={file.name}>
                      <td>
                        <a href={addressOf(`runs/${encodeURIComponent(trial.runId)}/trials/${trial.number}/files/${file.name.split("/").map(encodeURIComponent).join("/")}`)} download>
                          {file.name}
                        </a>
                      </td>
                      <td className="number">{sizeText(file.bytes)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scrolls>
          )}
        </Answer>
      </Section>
    </>
  );
}

function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
