// Whether single letters do something: people who speak to their machine, or type by mistake, switch them off (WCAG 2.1.4).
import { useSyncExternalStore } from "react";

const KEY = "automl-vision-letter-keys";
const listeners = new Set<() => void>();

/** Whether single-letter keys do something, read by what listens to the keyboard. */
export const keysAreOn = () => window.localStorage.getItem(KEY) !== "off";

/** Switch single-letter keys on or off; kept in this browser. */
export function setKeys(on: boolean) {
  if (on) window.localStorage.removeItem(KEY);
  else window.localStorage.setItem(KEY, "off");
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether single-letter keys do something. */
export const useKeys = (): boolean => useSyncExternalStore(subscribe, keysAreOn);
