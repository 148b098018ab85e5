// What a page shows before, instead of and beside its content.
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ApiError } from "../api/client";
import { Button } from "./controls";
import { CopyButton } from "./CopyButton";
import styles from "./states.module.css";

/** Grey blocks in the final layout, shown only if the answer takes longer than 150 ms. */
export function Skeleton({ heights = [32, 200] }: { heights?: number[] }) {
  return (
    <div className="stack" role="status" aria-label="loading">
      {heights.map((height, i) => (
        <div key={i} className={styles.skeleton} style={{ height }} />
      ))}
    </div>
  );
}

/** One sentence, what to do, and the command that does the same. */
export function Empty({ title, children, command, action }: {
  title: string;
  children?: ReactNode;
  command?: string;
  action?: ReactNode;
}) {
  return (
    <div className={styles.empty}>
      <h2>{title}</h2>
      {children !== undefined && <p className="muted">{children}</p>}
      {action}
      {command !== undefined && (
        <p className="line">
          <code>{command}</code>
          <CopyButton text={command} />
        </p>
      )}
    </div>
  );
}

/** What failed, why, and what to do: the product's own sentence; `refused` is the title where a request was refused. */
export function Problem({ error, onRetry, refused = "This cannot be shown" }: { error: unknown; onRetry?: () => void; refused?: string }) {
  const detail = error instanceof Error ? error.message : String(error);
  const title = error instanceof ApiError ? titleOf(error, refused) : "The server does not answer";
  return (
    <div className={styles.problem} role="alert">
      <h2>{title}</h2>
      <pre>{detail}</pre>
      <div className="line">
        {onRetry !== undefined && <Button onPress={onRetry}>Try again</Button>}
        <CopyButton text={`${title}\n${detail}\n${window.location.href}`} title="Copy details" />
      </div>
    </div>
  );
}

function titleOf({ problem: { title, status } }: ApiError, refused: string): string {
  if (title === "ConflictError") return "It has changed meanwhile";
  if (status === 404) return "There is nothing here";
  return status < 500 ? refused : "The server has a fault";
}

/** The content of an answer once it is there; until then what takes its place. */
export function Answer<T>({ query, children, loading }: {
  query: UseQueryResult<T, unknown>;
  children: (data: T) => ReactNode;
  loading?: ReactNode;
}) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error !== null) return <Problem error={query.error} onRetry={() => void query.refetch()} />;
  return <>{loading ?? <Skeleton />}</>;
}

/** Said on every page while the server does not answer. */
export function StaleBanner({ since }: { since: number | null }) {
  if (since === null) return null;
  const time = new Date(since).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return (
    <p className={styles.stale} role="status">
      The server last answered at {time}. What is shown was read before; the studio keeps trying.
    </p>
  );
}
