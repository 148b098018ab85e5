// Keys of a page: which there are, and when a key is meant for something else. `look/keys.ts` turns letters off.
import { keysAreOn } from "../look/keys";

export interface Hotkey {
  /** As `KeyboardEvent.key` says it: "j", "Enter", "ArrowDown", "?". */
  keys: string[];
  /** What the key does, for the list of keys. */
  title: string;
  run: (event: KeyboardEvent) => void;
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
  const isLetter = event.key.length === 1;
  const key = isLetter ? event.key.toLowerCase() : event.key; // Caps Lock changes nothing
  return isTaken(event) || (isLetter && !keysAreOn()) ? undefined : hotkeys.find(({ keys }) => keys.includes(key));
}
