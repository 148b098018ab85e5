import type { ReactNode, RefObject } from "react";
import { Dialog, Popover } from "react-aria-components";
import styles from "./controls.module.css";

export default function OpenDropDown({ title, className, button, onClose, children }: {
  title: string;
  className?: string | undefined;
  button: RefObject<HTMLButtonElement | null>;
  onClose: () => void;
  children: ReactNode;
}) {
  return (
    <Popover className={styles.popover ?? ""} triggerRef={button} isOpen onOpenChange={(open) => !open && onClose()}>
      <Dialog aria-label={title} className={className ?? ""}>
        {children}
      </Dialog>
    </Popover>
  );
}
