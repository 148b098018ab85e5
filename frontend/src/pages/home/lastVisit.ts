// When the list of runs was looked at before, kept in this browser for each workspace.
import { useEffect, useState } from "react";
import { currentWorkspace } from "../../api/client";

const key = () => `automl-vision-last-visit:${currentWorkspace() ?? ""}`;
const HIDDEN = "automl-vision-hidden-runs";

/** Seconds since 1970 of the visit before this one; null on the first. While the page is open, it stays the same. */
export function useLastVisit(): number | null {
  const [before] = useState(() => Number(window.localStorage.getItem(key())) || null);
  useEffect(() => {
    const leave = () => window.localStorage.setItem(key(), String(Date.now() / 1000));
    if (before === null) leave();
    window.addEventListener("pagehide", leave);
    return () => {
      window.removeEventListener("pagehide", leave);
      leave();
    };
  }, [before]);
  return before;
}

/** Whether a run ended since a visit. */
export function isNew(run: { ended: number | null; status: string }, visit: number | null): boolean {
  return visit !== null && run.ended !== null && run.ended > visit && ["Completed", "Failed", "Canceled"].includes(run.status);
}

/** Runs that need care and whose notice was put aside, and a function that puts another one aside. */
export function useHiddenRuns(): [string[], (runId: string) => void] {
  const [hidden, setHidden] = useState<string[]>(() => (window.localStorage.getItem(HIDDEN) ?? "").split(",").filter(Boolean));
  const hide = (runId: string) => {
    const all = [...hidden, runId].slice(-200);
    window.localStorage.setItem(HIDDEN, all.join(","));
    setHidden(all);
  };
  return [hidden, hide];
}
