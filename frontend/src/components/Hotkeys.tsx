// The keys of a page, and their list, which `?` shows.
import { useEffect, useEffectEvent, useState, useSyncExternalStore } from "react";
import { Button, Dialog } from "./controls";
import { hotkeyOf, hotkeysAreOn, setHotkeys, subscribeHotkeys, type Hotkey } from "./hotkeys";
import styles from "./Hotkeys.module.css";

/** Whether the keys work, for pages that show or change it. */
export const useHotkeysAreOn = () => useSyncExternalStore(subscribeHotkeys, hotkeysAreOn);

/** Lets keys work while it is on the page, unless they are turned off or something else needs them.
 *
 * It shows a button that lists them. A page has one of these.
 */
export function Hotkeys({ hotkeys }: { hotkeys: Hotkey[] }) {
  const [listed, setListed] = useState(false);
  const on = useHotkeysAreOn();
  const all = [...hotkeys, { keys: ["?"], title: "List the keys", run: () => setListed(true) }];
  const press = useEffectEvent((event: KeyboardEvent) => {
    const hotkey = hotkeyOf(event, all);
    if (hotkey === undefined) return;
    event.preventDefault();
    hotkey.run(event);
  });
  useEffect(() => {
    if (!on) return;
    const listener = (event: KeyboardEvent) => press(event);
    window.addEventListener("keydown", listener);
    return () => window.removeEventListener("keydown", listener);
  }, [on]);
  return (
    <>
      <Button kind="quiet" onPress={() => setListed(true)}>
        Keys <kbd>?</kbd>
      </Button>
      <Dialog title="Keys of this page" isOpen={listed} onClose={() => setListed(false)}>
        <table className={styles.keys}>
          <tbody>
            {all.map((hotkey) => (
              <tr key={hotkey.title}>
                <td>
                  <span className="line">
                    {hotkey.keys.map((key) => (
                      <kbd key={key}>{NAMES[key] ?? key}</kbd>
                    ))}
                  </span>
                </td>
                <td>{hotkey.title}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <HotkeySwitch />
        <div className="line">
          <Button onPress={() => setListed(false)}>Close</Button>
        </div>
      </Dialog>
    </>
  );
}

/** Turns the keys on and off. */
export function HotkeySwitch() {
  const on = useHotkeysAreOn();
  return (
    <label className={styles.switch}>
      <input type="checkbox" checked={on} onChange={(event) => setHotkeys(event.target.checked)} />
      Keys work on every page (kept in this browser)
    </label>
  );
}

const NAMES: Record<string, string> = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Enter: "Enter", Escape: "Esc" };
