import type { RefObject } from "react";
import { Menu, MenuItem, Popover } from "react-aria-components";
import styles from "./controls.module.css";
import type { Copies } from "./CopyView";

export default function CopyMenu({ copies, button, onClose }: {
  copies: Copies;
  button: RefObject<HTMLButtonElement | null>;
  onClose: () => void;
}) {
  const forms: [string, string | undefined][] = [
    ["Python", copies.python],
    ["YAML", copies.yaml],
    ["Command", copies.command],
    ["Link", window.location.href],
  ];
  return (
    <Popover className={styles.popover ?? ""} triggerRef={button} isOpen onOpenChange={(open) => !open && onClose()}>
      <Menu
        aria-label="Copy as"
        autoFocus="first"
        onClose={onClose}
        onAction={(key) => void navigator.clipboard.writeText(forms.find(([name]) => name === key)?.[1] ?? "")}
      >
        {forms
          .filter(([, text]) => text !== undefined)
          .map(([name]) => (
            <MenuItem key={name} id={name} className={styles.item ?? ""}>
              {name}
            </MenuItem>
          ))}
      </Menu>
    </Popover>
  );
}
