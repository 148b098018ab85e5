// The keys of a page, and their list, which `?` shows.
import { useEffect, useEffectEvent, useState } from "react";
import { setKeys, useKeys } from "../look/keys";
import { Button, Dialog } from "./controls";
import { hotkeyOf, type Hotkey } from "./hotkeys";
import styles from "./Hotkeys.module.css";

/** Lets keys work while it is on the page, unless letters are turned off or something else needs the key.
 *
 * It shows a button that lists them. A page has one of these.
 */
export function Hotkeys({ hotkeys }: { hotkeys: Hotkey[] }) {
  const [listed, setListed] = useState(false);
  const all = [...hotkeys, { keys: ["?"], title: "List the keys", run: () => setListed(true) }];
  const press = useEffectEvent((event: KeyboardEvent) => {
    const hotkey = hotkeyOf(event, all);
    if (hotkey === undefined) return;
    event.preventDefault();
    hotkey.run(event);
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => press(event);
    window.addEventListener("keydown", listener);
    return () => window.removeEventListener("keydown", listener);
  }, []);
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

/** Turns keys of one letter on and off. */
export function HotkeySwitch() {
  const on = useKeys();
  return (
    <label className={styles.switch}>
      <input type="checkbox" checked={on} onChange={(event) => setKeys(event.target.checked)} />
      Single letters are keys, on every page
    </label>
  );
}

const NAMES: Record<string, string> = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Enter: "Enter", Escape: "Esc" };
