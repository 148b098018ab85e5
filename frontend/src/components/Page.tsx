import { useEffect, type ReactNode } from "react";
import styles from "./Page.module.css";

/** A page: its title, what can be done there, and its content. */
export function Page({ title, trail, actions, summary, children }: {
  title: string;
  trail?: ReactNode;
  actions?: ReactNode;
  summary?: ReactNode;
  children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · AutoML Vision`;
  }, [title]);
  return (
    <>
      <header className={styles.header}>
        <div className={styles.titles}>
          {trail !== undefined && <nav aria-label="where you are" className="line small muted">{trail}</nav>}
          <h1>{title}</h1>
          {summary}
        </div>
        {actions !== undefined && <div className="line">{actions}</div>}
      </header>
      <div className={styles.content}>{children}</div>
    </>
  );
}

/** A part of a page with its heading. */
export function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="panel stack" aria-label={title}>
      <div className="line spread">
        <h2>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}
