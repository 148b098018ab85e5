import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";
export type Preference = Theme | "system";

const KEY = "automl-vision-theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function stored(): Preference {
  const value = window.localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "system";
}

function show(preference: Preference) {
  if (preference === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = preference;
}

/** Choose the colours; kept in this browser. */
export function setPreference(preference: Preference) {
  if (preference === "system") window.localStorage.removeItem(KEY);
  else window.localStorage.setItem(KEY, preference);
  show(preference);
  for (const listener of listeners) listener();
}

show(stored());
dark.addEventListener("change", () => {
  for (const listener of listeners) listener();
});

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const current = (): Theme => {
  const preference = stored();
  return preference === "system" ? (dark.matches ? "dark" : "light") : preference;
};

/** The colours that are shown. */
export const useTheme = (): Theme => useSyncExternalStore(subscribe, current);

/** What the user chose. */
export const usePreference = (): Preference => useSyncExternalStore(subscribe, stored);
