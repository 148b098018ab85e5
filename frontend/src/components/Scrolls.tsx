import type { ReactNode } from "react";

/** Wide content, such as a table, that scrolls by itself on a narrow screen; with the keyboard too. */
export function Scrolls({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="scrolls" role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}
