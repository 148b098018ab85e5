// What the address of a trial's page says.
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";
import type { Search } from "../../router";

export interface TrialName {
  runId: string;
  number: number;
}

/** Run and number of the trial that a page is about. */
export function useTrialName(): TrialName {
  const { runId, trial } = useParams({ strict: false });
  return { runId: runId ?? "", number: Number(trial ?? 0) };
}

/** A field of the address as text; undefined if it is not there. */
export function textOf(search: Search, name: string): string | undefined {
  const value = search[name];
  return value === undefined || value === "" ? undefined : String(value);
}

/** The address's search and a function that changes fields of it; undefined removes one. */
export function useView(): { view: Search; set: (changes: Search, push?: boolean) => void } {
  const view = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const set = useCallback(
    (changes: Search, push = false) =>
      void navigate({ to: ".", search: (old: Search) => ({ ...old, ...changes }), replace: !push, resetScroll: false } as never),
    [navigate],
  );
  return { view, set };
}

/** The images that a view shows: "val" or "test"; undefined leaves it to the server, which prefers test images. */
export function splitOf(view: Search): string | undefined {
  const split = textOf(view, "split");
  return split === "val" || split === "test" ? split : undefined;
}
