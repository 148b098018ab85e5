import type { ReactNode } from "react";
import styles from "./controls.module.css";

export type Tone = "good" | "warning" | "error" | "busy" | "plain";

/** A short word with a mark whose shape and colour say how things stand. */
export function Tag({ tone = "plain", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className={styles.tag} data-tone={tone}>
      {children}
    </span>
  );
}
