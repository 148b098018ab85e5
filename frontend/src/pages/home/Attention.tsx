// Runs that failed or were interrupted: why, and what can be done.
import { Link } from "@tanstack/react-router";
import { $api, type Schemas } from "../../api/client";
import { Button } from "../../components/controls";
import { count, moment } from "../../components/format";
import { Status } from "../../components/Status";
import { ResumeButton } from "../run/RunActions";
import styles from "./Home.module.css";
import { useHiddenRuns } from "./lastVisit";

const MOST = 5;

export function Attention() {
  const runs = $api.useQuery("get", "/api/v1/runs", { params: { query: { status: ["Interrupted", "Failed"], limit: 100 } } }, { refetchInterval: 5_000 });
  const [hidden, hide] = useHiddenRuns();
  const found = (runs.data?.items ?? []).filter((run) => !hidden.includes(run.id));
  if (found.length === 0) return null;
  return (
    <section className="stack" aria-label="needs you">
      <h2>Needs you</h2>
      <ul className={styles.list}>
        {found.slice(0, MOST).map((run) => (
          <AttentionRow key={run.id} run={run} onHide={() => hide(run.id)} />
        ))}
      </ul>
      {found.length > MOST && (
        <p className="small">
          <Link to="/" search={{ status: "Failed,Interrupted" }}>{count(found.length - MOST, "more run")}</Link>
        </p>
      )}
    </section>
  );
}

function AttentionRow({ run, onHide }: { run: Schemas["RunSummary"]; onHide: () => void }) {
  const why = run.reason ?? "its process is gone";
  return (
    <li className={styles.attention}>
      <span>
        <Status status={run.status} />
      </span>
      <span className={styles.why}>
        <Link to="/runs/$runId" params={{ runId: run.id }} className={styles.id ?? ""}>{run.id}</Link>{" "}
        <span>{why}</span>{" "}
        <span className="muted small">
          {run.finished > 0 ? `${count(run.finished, "finished trial")} kept` : "nothing finished yet"}
          {run.created !== null && `, made ${moment(run.created)}`}
        </span>
      </span>
      <span className="line">
        <ResumeButton runId={run.id} kind="plain" />
        <Button kind="quiet" onPress={onHide} aria-label={`Hide ${run.id}`}>Hide</Button>
      </span>
    </li>
  );
}
