// "Copy as Python, YAML, command, link": a view is what a script can have too.
import { Button as AriaButton, Menu, MenuItem, MenuTrigger, Popover } from "react-aria-components";
import styles from "./controls.module.css";

export interface Copies {
  python?: string;
  yaml?: string;
  command?: string;
}

/** A menu that copies what the page shows in other forms. */
export function CopyView({ copies }: { copies: Copies }) {
  const forms: [string, string | undefined][] = [
    ["Python", copies.python],
    ["YAML", copies.yaml],
    ["Command", copies.command],
    ["Link", window.location.href],
  ];
  return (
    <MenuTrigger>
      <AriaButton className={styles.button ?? ""}>
        Copy as <span aria-hidden>▾</span>
      </AriaButton>
      <Popover className={styles.popover ?? ""}>
        <Menu onAction={(key) => void navigator.clipboard.writeText(forms.find(([name]) => name === key)?.[1] ?? "")}>
          {forms
            .filter(([, text]) => text !== undefined)
            .map(([name]) => (
              <MenuItem key={name} id={name} className={styles.item ?? ""}>
                {name}
              </MenuItem>
            ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}
