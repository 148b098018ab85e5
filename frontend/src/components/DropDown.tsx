import { lazy, type ReactNode, Suspense, useRef, useState } from "react";
import { Button as AriaButton } from "react-aria-components";
import styles from "./controls.module.css";

const OpenDropDown = lazy(() => import("./OpenDropDown"));

/** A button that opens a small dialog below it, loaded when it is first opened. */
export function DropDown({ title, className, children }: { title: string; className?: string | undefined; children: ReactNode }) {
  const button = useRef<HTMLButtonElement>(null);
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <AriaButton ref={button} className={styles.button ?? ""} aria-haspopup="dialog" aria-expanded={isOpen} onPress={() => setOpen(true)}>
        {title} <span aria-hidden>▾</span>
      </AriaButton>
      {isOpen && (
        <Suspense fallback={null}>
          <OpenDropDown title={title} className={className} button={button} onClose={() => setOpen(false)}>
            {children}
          </OpenDropDown>
        </Suspense>
      )}
    </>
  );
}
