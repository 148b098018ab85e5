// The runs that work now, one card each: what it is doing, its curve, the best so far, the time that is left.
import { Link } from "@tanstack/react-router";
import { $api, type Schemas } from "../../api/client";
import { Sparkline } from "../../charts/Sparkline";
import { count, duration, figure, metricName } from "../../components/format";
import { Status } from "../../components/Status";
import { useNow } from "../../components/view";
import { Countdown, PhaseBar } from "../run/LiveStrip";
import styles from "./Home.module.css";

type ActiveRun = Schemas["ActiveRun"];

/** What the machine does, asked for again every two seconds while the page is looked at. */
export function useActivity() {
  return $api.useQuery("get", "/api/v1/activity", {}, { refetchInterval: 2_000 });
}

export function ActiveRuns() {
  const activity = useActivity();
  const runs = activity.data?.runs ?? [];
  if (runs.length === 0) return null;
  return (
    <section className="stack" aria-label="working now">
      <h2>Working now</h2>
      <ul className={styles.cards}>
        {runs.map((active) => (
          <ActiveCard key={`${active.workspace}/${active.run.id}`} active={active} at={activity.dataUpdatedAt} />
        ))}
      </ul>
    </section>
  );
}

function ActiveCard({ active, at }: { active: ActiveRun; at: number }) {
  const { run, live, working, leader, workspace } = active;
  const shown = working[0] ?? leader;
  return (
    <li className={`panel ${styles.card}`}>
      <div className="line spread">
        <Link to="/runs/$runId" params={{ runId: run.id }} search={{ workspace }} className={styles.id ?? ""}>
          {run.id}
        </Link>
        <Status status={live.status} />
      </div>
      <p className="muted small">
        {run.task} · {count(live.trials, "trial")} begun
      </p>
      <p>{phaseOf(active)}</p>
      {live.phase !== null && working.length === 0 && <PhaseBar phase={live.phase} />}
      <div className="line spread">
        <span className="numbers">
          {live.best === null ? <span className="muted">no result yet</span> : <>best {metricName(live.metric)} <strong>{figure(live.best)}</strong></>}
        </span>
        {shown !== null && <Sparkline values={shown.curve} label={`${metricName(live.metric)} of trial ${shown.trial}`} />}
      </div>
      <p className="muted small line spread">
        <span>{shown?.seconds_left != null && <TrialLeft seconds={shown.seconds_left} at={at} trial={shown.trial} />}</span>
        <Countdown seconds={live.budget_left} at={at} />
      </p>
    </li>
  );
}

function TrialLeft({ seconds, at, trial }: { seconds: number; at: number; trial: number }) {
  const now = useNow(1000);
  return <>trial {trial}: about {duration(seconds - (now - at) / 1000)} left</>;
}

/** What a run is doing, in a few words. */
export function phaseOf({ run, live, working }: ActiveRun): string {
  const [trial] = working;
  if (trial !== undefined) {
    const more = working.length > 1 ? ` and ${working.length - 1} more` : "";
    return `trial ${trial.trial}, ${trial.model_name}: ${trial.phase || "starts"}${more}`;
  }
  if (live.status === "NotStarted") return "starts";
  return live.phase?.phase ?? run.reason ?? "";
}
