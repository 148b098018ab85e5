// Keys of one letter, which can be turned off (WCAG 2.1.4), and which never act while one writes.
import { useEffect, useSyncExternalStore } from "react";

const KEY = "automl-vision-letter-keys";
const listeners = new Set<() => void>();

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether keys of one letter act; kept in this browser. */
export const useLetterKeys = (): boolean => useSyncExternalStore(subscribe, () => window.localStorage.getItem(KEY) !== "off");

/** Turn keys of one letter on or off. */
export function setLetterKeys(on: boolean) {
  if (on) window.localStorage.removeItem(KEY);
  else window.localStorage.setItem(KEY, "off");
  for (const listener of listeners) listener();
}

const WRITES = "input:not([type=checkbox]):not([type=range]), textarea, select, [contenteditable], [role=dialog] *, [role=listbox] *, [role=menu] *";
const MOVES = "input[type=range], [role=tab], [role=radio], [role=slider]";

/** Act on keys: letters in lower case, and names such as "ArrowLeft". */
export function useKeys(actions: Record<string, () => void>) {
  const letters = useLetterKeys();
  useEffect(() => {
    const act = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const target = event.target instanceof Element ? event.target : null;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const action = actions[key];
      if (action === undefined || target?.matches(WRITES)) return;
      if (key.length === 1 ? !letters : target?.matches(MOVES)) return;
      event.preventDefault();
      action();
    };
    window.addEventListener("keydown", act);
    return () => window.removeEventListener("keydown", act);
  }, [actions, letters]);
}
