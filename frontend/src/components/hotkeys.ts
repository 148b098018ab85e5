// Keys of the pages: which there are, whether they work, and when a key is meant for something else.

export interface Hotkey {
  /** As `KeyboardEvent.key` says it: "j", "Enter", "ArrowDown", "?". */
  keys: string[];
  /** What the key does, for the list of keys. */
  title: string;
  run: (event: KeyboardEvent) => void;
}

const KEY = "automl-vision-hotkeys";
const listeners = new Set<() => void>();

/** Whether the keys work; kept in this browser. */
export const hotkeysAreOn = (): boolean => window.localStorage.getItem(KEY) !== "off";

/** Turn the keys on or off, for those who speak or whose hand may slip (WCAG 2.2, 2.1.4). */
export function setHotkeys(on: boolean) {
  if (on) window.localStorage.removeItem(KEY);
  else window.localStorage.setItem(KEY, "off");
  for (const listener of listeners) listener();
}

export function subscribeHotkeys(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const TYPES_TEXT = "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true]";
const HAS_KEYS = "[role=dialog], [role=menu], [role=listbox], [role=slider], [role=tablist]";

/** Whether a key belongs to what has the focus: a text that is typed, a menu, a dialog. */
export function isTaken(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
  const target = event.target instanceof Element ? event.target : null;
  if (target === null) return false;
  if (target.closest(`${TYPES_TEXT}, ${HAS_KEYS}`) !== null) return true;
  const presses = event.key === "Enter" || event.key === " ";
  return presses && target.closest("a, button, input, summary, [role=button], [role=checkbox]") !== null;
}

/** The hotkey that an event means, if any. */
export function hotkeyOf(event: KeyboardEvent, hotkeys: Hotkey[]): Hotkey | undefined {
  return isTaken(event) ? undefined : hotkeys.find(({ keys }) => keys.includes(event.key));
}
