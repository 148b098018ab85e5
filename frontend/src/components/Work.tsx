// Work of the server in the background: how far it is, how long it takes, and its end.
import { useMutation } from "@tanstack/react-query";
import { ProgressBar } from "react-aria-components";
import { $api, api, type Schemas } from "../api/client";
import { Button } from "./controls";
import { duration } from "./format";
import styles from "./Work.module.css";

export type WorkDetails = Schemas["WorkDetails"];

export const hasEnded = (work: WorkDetails) => work.state !== "waiting" && work.state !== "running";

/** A piece of work by its id, asked for again until it has ended; nothing is asked without an id. */
export function useWork(id: string | null | undefined) {
  return $api.useQuery(
    "get",
    "/api/v1/work/{work_id}",
    { params: { path: { work_id: id ?? "" } } },
    {
      enabled: id !== null && id !== undefined,
      refetchInterval: ({ state }) => (state.data !== undefined && hasEnded(state.data) ? false : 500),
    },
  );
}

/** A bar with what is being done, how far it is and the time left; of work that failed, the reason. */
export function WorkProgress({ work, canCancel = true }: { work: WorkDetails; canCancel?: boolean }) {
  const cancel = useMutation({
    mutationFn: () => api.DELETE("/api/v1/work/{work_id}", { params: { path: { work_id: work.id } } }),
  });
  if (work.state === "failed")
    return (
      <p role="alert" className={styles.failed}>
        {work.title} failed: {work.reason}
      </p>
    );
  if (work.state === "canceled") return <p className="muted">{work.title}: canceled.</p>;
  if (work.state === "done") return null;
  const known = work.total !== null && work.total > 0;
  return (
    <div className={styles.work}>
      <ProgressBar
        aria-label={work.title}
        isIndeterminate={!known}
        value={work.done}
        maxValue={work.total ?? 1}
        valueLabel={progressText(work)}
        className={styles.progress ?? ""}
      >
        {({ percentage }) => (
          <>
            <span className="line spread">
              <span>{work.phase || work.title}</span>
              <span className="muted small numbers">{progressText(work)}</span>
            </span>
            <span className={styles.track}>
              <span
                className={known ? styles.fill : styles.moving}
                style={known ? { width: `${percentage}%` } : undefined}
              />
            </span>
          </>
        )}
      </ProgressBar>
      {canCancel && (
        <Button kind="quiet" isDisabled={cancel.isPending || cancel.isSuccess} onPress={() => cancel.mutate()}>
          Cancel
        </Button>
      )}
    </div>
  );
}

/** "1,200 of 5,000, 0:42 left". */
export function progressText(work: WorkDetails): string {
  if (work.state === "waiting") return "waits for other work";
  if (work.total === null) return work.done > 0 ? work.done.toLocaleString("en-US") : "";
  const far = `${work.done.toLocaleString("en-US")} of ${work.total.toLocaleString("en-US")}`;
  return work.seconds_left === null ? far : `${far}, ${duration(work.seconds_left)} left`;
}
