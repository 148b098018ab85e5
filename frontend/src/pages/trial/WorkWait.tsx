// How far something is that the server does in the background.
import type { Schemas } from "../../api/client";
import { Problem } from "../../components/states";
import styles from "./trial.module.css";

export type WorkProgress = Schemas["WorkProgress"];

/** Whether to ask again, and when: every second until the work has ended. */
export function again(progress: WorkProgress | null | undefined): number | false {
  return progress === undefined || progress === null || progress.state === "waiting" || progress.state === "running" ? 1000 : false;
}

export function WorkWait({ progress, doing }: { progress: WorkProgress; doing: string }) {
  if (progress.state === "failed" || progress.state === "canceled")
    return <Problem error={new Error(progress.reason ?? "The work was canceled; reload the page to begin it again.")} />;
  const { done, total } = progress;
  return (
    <div className="stack" role="status">
      <p className="muted">
        {progress.state === "waiting" ? "Waiting for other work." : doing} {total === null ? "" : `${done} of ${total}`}
      </p>
      <progress className={styles.progress} {...(total === null ? {} : { value: done, max: total })} aria-label={doing} />
    </div>
  );
}
