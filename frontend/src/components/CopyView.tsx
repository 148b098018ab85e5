// "Copy as Python, YAML, command, link": a view is what a script can have too.
import { lazy, Suspense, useRef, useState } from "react";
import { Button as AriaButton } from "react-aria-components";
import styles from "./controls.module.css";

export interface Copies {
  python?: string;
  yaml?: string;
  command?: string;
}

const CopyMenu = lazy(() => import("./CopyMenu"));

/** A menu, loaded when it is first opened, that copies what the page shows in other forms. */
export function CopyView({ copies }: { copies: Copies }) {
  const button = useRef<HTMLButtonElement>(null);
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <AriaButton ref={button} className={styles.button ?? ""} aria-haspopup="menu" aria-expanded={isOpen} onPress={() => setOpen(true)}>
        Copy as <span aria-hidden>▾</span>
      </AriaButton>
      {isOpen && (
        <Suspense fallback={null}>
          <CopyMenu copies={copies} button={button} onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </>
  );
}
