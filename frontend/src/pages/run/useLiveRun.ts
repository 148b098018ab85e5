// A run while it works, by server-sent events: one stream, closed while the tab is hidden, and gone on with afterwards.
import { useEffect, useReducer } from "react";
import { addressOf, queries, type Schemas } from "../../api/client";

export type RunChange = Schemas["RunChange"];
export type LiveTrial = Schemas["LiveTrial"];
export type RunMessage = Schemas["RunMessage"];

export interface LiveRun {
  state: RunChange | null;
  /** Trials that have not ended, and those that ended while the page was open, by number. */
  trials: Record<number, LiveTrial>;
  messages: RunMessage[];
  /** When the last change came, in milliseconds. */
  receivedAt: number;
}

const NOTHING: LiveRun = { state: null, trials: {}, messages: [], receivedAt: 0 };
const MOST_MESSAGES = 20;

/** The run after a change; trials are replaced by their number, and messages are never sent twice. */
export function withChange(run: LiveRun, change: RunChange, now: number): LiveRun {
  const trials = { ...run.trials };
  for (const line of change.lines) trials[line.trial] = line;
  return { state: change, trials, messages: [...run.messages, ...change.messages].slice(-MOST_MESSAGES), receivedAt: now };
}

type Action = RunChange | "forget";

const RUN_QUERIES = ["/api/v1/runs/{run_id}", "/api/v1/runs/{run_id}/messages", "/api/v1/runs/{run_id}/figures"];

/** Read again what the server says of a run. */
export function refetchRun() {
  for (const path of RUN_QUERIES) void queries.invalidateQueries({ queryKey: ["get", path] });
}

/** Follow a run as long as `follows` holds. */
export function useLiveRun(runId: string, follows: boolean): LiveRun {
  const [run, dispatch] = useReducer(
    (old: LiveRun, action: Action) => (action === "forget" ? NOTHING : withChange(old, action, Date.now())),
    NOTHING,
  );
  useEffect(() => {
    if (!follows) return;
    const stop = followRun(runId, dispatch);
    return () => {
      stop();
      dispatch("forget");
    };
  }, [runId, follows]);
  return run;
}

const RETRY = 3_000; // milliseconds
const REFETCH = 1_500; // at most as often

function followRun(runId: string, onChange: (change: RunChange) => void): () => void {
  let source: EventSource | undefined;
  let retry: number | undefined;
  let pending: number | undefined;
  let last: string | undefined;
  let revision: number | undefined;
  let ended = false;

  const refetchSoon = () => {
    pending ??= window.setTimeout(() => {
      pending = undefined;
      refetchRun();
    }, REFETCH);
  };
  const close = () => {
    source?.close();
    source = undefined;
    window.clearTimeout(retry);
    window.clearTimeout(pending);
    pending = undefined;
  };
  const open = () => {
    if (source !== undefined || document.hidden || ended) return;
    source = new EventSource(addressOf(`runs/${encodeURIComponent(runId)}/events`, { after: last }));
    revision = undefined; // the server may be another one by now
    source.addEventListener("change", (event: MessageEvent<string>) => {
      const change = JSON.parse(event.data) as RunChange;
      last = event.lastEventId;
      onChange(change);
      if (revision !== change.revision) refetchSoon();
      revision = change.revision;
      if (!change.has_ended) return;
      ended = true;
      close();
      refetchRun();
    });
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) {
        revision = undefined;
        return; // the browser connects again by itself, with the id of the last event
      }
      close();
      retry = window.setTimeout(open, RETRY);
    });
  };
  const visibility = () => {
    if (document.hidden) close();
    else {
      open();
      refetchRun();
    }
  };
  document.addEventListener("visibilitychange", visibility);
  open();
  return () => {
    document.removeEventListener("visibilitychange", visibility);
    close();
  };
}
