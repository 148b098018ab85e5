// What a run said, the log of its process, and its files.
import { $api, addressOf, type Schemas } from "../../api/client";
import { Button } from "../../components/controls";
import { count, moment } from "../../components/format";
import { Section } from "../../components/Page";
import { Scrolls } from "../../components/Scrolls";
import { Answer } from "../../components/states";
import { textOf, useView } from "../../components/view";
import styles from "./LogTab.module.css";

const PAGE = 200;

export function LogTab({ runId, works }: { runId: string; works: boolean }) {
  return (
    <div className="stack">
      <MessageList runId={runId} />
      <ControllerLog runId={runId} works={works} />
      <Files runId={runId} />
    </div>
  );
}

function MessageList({ runId }: { runId: string }) {
  const [view, setView] = useView();
  const cursor = Number(view.from ?? 0) || 0;
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}/messages", { params: { path: { run_id: runId }, query: { limit: PAGE, cursor } } });
  return (
    <Section title="Messages">
      <Answer query={query}>
        {(page) => (
          <>
            {page.total === 0 && <p className="muted">The run has not said anything yet.</p>}
            <ol className={styles.messages} tabIndex={0} aria-label="messages, the newest first">
              {page.items.map((message, i) => (
                <li key={`${cursor + i}-${message.time}`}>
                  <time className="muted numbers" dateTime={new Date(message.time * 1000).toISOString()}>{clock(message.time)}</time>
                  <span className="muted">{message.trial === null ? "run" : `trial ${message.trial}`}</span>
                  <span>{message.text}</span>
                </li>
              ))}
            </ol>
            {page.total > PAGE && (
              <div className="line">
                <Button isDisabled={cursor === 0} onPress={() => setView({ from: Math.max(0, cursor - PAGE) || undefined })}>Newer</Button>
                <Button isDisabled={page.next === null} onPress={() => setView({ from: page.next ?? undefined })}>Older</Button>
                <span className="muted small">{count(page.total, "message")}</span>
              </div>
            )}
          </>
        )}
      </Answer>
    </Section>
  );
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString("en-GB", { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

function ControllerLog({ runId, works }: { runId: string; works: boolean }) {
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}/log", { params: { path: { run_id: runId } } }, { refetchInterval: works ? 5_000 : false });
  return (
    <Section title="Log of the run's process">
      <Answer query={query}>
        {({ text }) => (text === "" ? <p className="muted">It wrote nothing.</p> : <pre className={styles.log} tabIndex={0} aria-label="last lines of controller.log">{text}</pre>)}
      </Answer>
    </Section>
  );
}

function Files({ runId }: { runId: string }) {
  const [view, setView] = useView();
  const folder = textOf(view.folder);
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}/files", { params: { path: { run_id: runId }, query: { folder, limit: 500 } } });
  const parts = folder === "" ? [] : folder.split("/");
  const show = (name: string) => setView({ folder: name === "" ? undefined : name });
  return (
    <Section title="Files">
      <nav className="line" aria-label="folder">
        <Button kind="quiet" onPress={() => show("")}>{runId}</Button>
        {parts.map((part, i) => (
          <span key={part} className="line">
            / <Button kind="quiet" onPress={() => show(parts.slice(0, i + 1).join("/"))}>{part}</Button>
          </span>
        ))}
      </nav>
      <Answer query={query}>
        {(page) => (
          <Scrolls label="files">
            <table>
              <thead>
                <tr>
                  <th>Name</th>
                  <th className="number">Size</th>
                  <th>Changed</th>
                </tr>
              </thead>
              <tbody>
                {page.items.map((entry) => <FileRow key={entry.name} runId={runId} entry={entry} onOpen={show} />)}
              </tbody>
            </table>
            {page.next !== null && <p className="muted small">{count(page.total, "entry", "entries")}, of which {page.items.length} are shown</p>}
          </Scrolls>
        )}
      </Answer>
    </Section>
  );
}

function FileRow({ runId, entry, onOpen }: { runId: string; entry: Schemas["FolderEntry"]; onOpen: (name: string) => void }) {
  const name = entry.name.split("/").at(-1) ?? entry.name;
  const path = entry.name.split("/").map(encodeURIComponent).join("/");
  return (
    <tr>
      <td>
        {entry.is_folder ? (
          <button type="button" className={styles.folder} onClick={() => onOpen(entry.name)}>{name}/</button>
        ) : (
          <a href={addressOf(`runs/${encodeURIComponent(runId)}/files/${path}`)} download={name}>{name}</a>
        )}
      </td>
      <td className="number">{entry.bytes === null ? "" : bytesText(entry.bytes)}</td>
      <td className="muted">{moment(entry.changed)}</td>
    </tr>
  );
}

/** A size such as 812 B, 3.4 kB or 54.7 MB. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const [unit, size] = bytes < 1e6 ? ["kB", 1e3] : bytes < 1e9 ? ["MB", 1e6] : ["GB", 1e9];
  return `${(bytes / size).toFixed(1)} ${unit}`;
}
