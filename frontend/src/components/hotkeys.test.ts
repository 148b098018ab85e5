import { afterEach, expect, test } from "vitest";
import { hotkeyOf, hotkeysAreOn, isTaken, setHotkeys, type Hotkey } from "./hotkeys";

const pressed: string[] = [];
const keys: Hotkey[] = [
  { keys: ["j", "ArrowDown"], title: "Next", run: () => pressed.push("next") },
  { keys: ["Enter"], title: "Open", run: () => pressed.push("open") },
];

function press(key: string, on: string, options: KeyboardEventInit = {}): KeyboardEvent {
  document.body.innerHTML = on;
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...options });
  (document.querySelector("#here") ?? document.body).dispatchEvent(event);
  return event;
}

afterEach(() => setHotkeys(true));

test.each([
  ["j", "<p id='here'></p>", "Next"],
  ["ArrowDown", "<tr id='here' tabindex='0'></tr>", "Next"],
  ["x", "<p id='here'></p>", undefined],
  ["j", "<input id='here'>", undefined],
  ["j", "<input type='checkbox' id='here'>", "Next"],
  ["j", "<textarea id='here'></textarea>", undefined],
  ["j", "<select id='here'></select>", undefined],
  ["j", "<div contenteditable='true'><b id='here'>a</b></div>", undefined],
  ["j", "<div role='dialog'><p id='here'></p></div>", undefined],
  ["ArrowDown", "<div role='slider' id='here'></div>", undefined],
  ["Enter", "<p id='here'></p>", "Open"],
  ["Enter", "<a href='#' id='here'>a</a>", undefined],
  ["Enter", "<button><b id='here'>a</b></button>", undefined],
])("the key %s on %s", (key, on, title) => expect(hotkeyOf(press(key, on), keys)?.title).toBe(title));

test("a key with Ctrl, Alt or the command key is the browser's", () => {
  for (const name of ["ctrlKey", "altKey", "metaKey"]) expect(isTaken(press("j", "<p></p>", { [name]: true }))).toBe(true);
  expect(isTaken(press("?", "<p></p>", { shiftKey: true }))).toBe(false);
});

test("keys are kept off in the browser", () => {
  expect(hotkeysAreOn()).toBe(true);
  setHotkeys(false);
  expect(hotkeysAreOn()).toBe(false);
  expect(window.localStorage.getItem("automl-vision-hotkeys")).toBe("off");
});
