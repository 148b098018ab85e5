// A run while it works: what it is doing, each trial with its curve, the time that is left, and what it said last.
import { ProgressBar } from "react-aria-components";
import type { Schemas } from "../../api/client";
import { Sparkline } from "../../charts/Sparkline";
import { count, duration, figure, metricName, moment } from "../../components/format";
import { Status } from "../../components/Status";
import { useNow } from "../../components/view";
import styles from "./LiveStrip.module.css";
import type { LiveRun, LiveTrial, RunMessage } from "./useLiveRun";

const MOST_TRIALS = 12;
const MOST_MESSAGES = 3;

/** The live part of the page of a run. */
export function LiveStrip({ live, reason }: { live: LiveRun; reason: string | null }) {
  const { state } = live;
  const working = Object.values(live.trials).filter((trial) => trial.status === "Running" || trial.status === "NotStarted");
  if (state === null) return <p className="muted" role="status">Connecting to the run …</p>;
  return (
    <section className={`panel stack ${styles.strip}`} aria-label="live">
      <div className="line spread">
        <span className="line">
          <Status status={state.status} />
          <PhaseText state={state} reason={reason} trials={working.length} />
        </span>
        <span className="line muted">
          {state.best !== null && (
            <span className="numbers">
              best so far {metricName(state.metric)} {figure(state.best)}, trial {state.best_trial}
            </span>
          )}
          <Countdown seconds={state.budget_left} at={live.receivedAt} />
        </span>
      </div>
      {state.phase !== null && working.length === 0 && <PhaseBar phase={state.phase} />}
      <TrialLines trials={working} metric={state.metric} at={live.receivedAt} />
      <Messages messages={live.messages.slice(-MOST_MESSAGES)} />
    </section>
  );
}

function PhaseText({ state, reason, trials }: { state: Schemas["LiveState"]; reason: string | null; trials: number }) {
  if (state.status === "NotStarted") return <span>starts</span>;
  if (trials > 0) return <span>{count(trials, "trial")} at work, {count(state.trials, "trial")} begun</span>;
  return <span>{state.phase?.phase ?? reason ?? ""}</span>;
}

/** Time to the deadline of a run, which passes while nothing is received. */
export function Countdown({ seconds, at }: { seconds: number | null; at: number }) {
  const now = useNow(seconds === null ? 0 : 1000);
  if (seconds === null) return null;
  return <span className="numbers">at most {duration(seconds - (now - at) / 1000)} left</span>;
}

/** How far the run itself is. */
export function PhaseBar({ phase }: { phase: Schemas["LivePhase"] }) {
  const isKnown = phase.total > 0;
  return (
    <ProgressBar aria-label={phase.phase} value={phase.done} maxValue={phase.total || 1} isIndeterminate={!isKnown}>
      {({ percentage }) => (
        <span className={styles.track}>
          <span className={styles.fill} style={{ width: `${isKnown ? percentage : 100}%` }} />
        </span>
      )}
    </ProgressBar>
  );
}

/** The trials at work, a line each. */
export function TrialLines({ trials, metric, at }: { trials: LiveTrial[]; metric: string; at: number }) {
  const now = useNow(trials.length === 0 ? 0 : 1000);
  if (trials.length === 0) return null;
  const values = trials.flatMap((trial) => trial.curve);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return (
    <ul className={styles.trials} aria-label="trials at work">
      {trials.slice(0, MOST_TRIALS).map((trial) => (
        <li key={trial.trial} className={styles.trial} data-trial={trial.trial}>
          <span className={styles.name}>
            trial {trial.trial} <span className="muted">{trial.model_name}</span>
          </span>
          <EpochBar trial={trial} />
          <Sparkline values={trial.curve} low={low} high={high} label={`${metricName(metric)} of trial ${trial.trial}: ${trial.curve.map((value) => figure(value)).join(", ")}`} />
          <span className="numbers">{figure(trial.value)}</span>
          <span className="muted numbers">
            {trial.seconds_left === null ? "" : `about ${duration(trial.seconds_left - (now - at) / 1000)} left`}
          </span>
        </li>
      ))}
      {trials.length > MOST_TRIALS && <li className="muted">{trials.length - MOST_TRIALS} more</li>}
    </ul>
  );
}

function EpochBar({ trial }: { trial: LiveTrial }) {
  const words = trial.phase !== "" ? trial.phase : trial.status === "NotStarted" ? "waits" : "starts";
  if (trial.epochs === null) return <span className="muted">{words}</span>;
  return (
    <ProgressBar aria-label={`epochs of trial ${trial.trial}`} value={trial.epoch ?? 0} maxValue={trial.epochs} valueLabel={words} className={styles.epochs ?? ""}>
      {({ percentage }) => (
        <>
          <span className="muted small">{words}</span>
          <span className={styles.track}>
            <span className={styles.fill} style={{ width: `${percentage}%` }} />
          </span>
        </>
      )}
    </ProgressBar>
  );
}

/** The last messages of a run. */
export function Messages({ messages }: { messages: RunMessage[] }) {
  if (messages.length === 0) return null;
  return (
    <ul className={`${styles.messages} small`} aria-label="messages" aria-live="polite">
      {messages.map((message, i) => (
        <li key={`${message.time}-${i}`}>
          <span className="muted numbers">{moment(message.time)}</span> {message.trial !== null && `trial ${message.trial}: `}
          {message.text}
        </li>
      ))}
    </ul>
  );
}
