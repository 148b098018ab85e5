// An image of a run in a grid, with one or two lines below it.
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Search } from "../router";
import { addressOf } from "../api/client";
import styles from "./ImageTile.module.css";

/** The address of an image of a run, at most `side` pixels long. */
export function runImage(runId: string, row: number, side = 256): string {
  return addressOf(`runs/${encodeURIComponent(runId)}/images/${row}`, { side });
}

/** What a tile shows: the image, what is said of it, and a mark in its corner. */
export interface TileContent {
  src: string;
  alt: string;
  first: ReactNode;
  second?: ReactNode;
  mark?: ReactNode;
}

function Content({ src, alt, first, second, mark }: TileContent) {
  return (
    <>
      <span className={styles.frame}>
        <img src={src} alt={alt} loading="lazy" decoding="async" />
        {mark !== undefined && mark !== null && <span className={styles.mark}>{mark}</span>}
      </span>
      <span className={styles.line}>{first}</span>
      {second !== undefined && <span className={`${styles.line} muted`}>{second}</span>}
    </>
  );
}

/** A tile that leads to a page. */
export function TileLink({ to, params, search, ...content }: TileContent & {
  to: string;
  params: Record<string, string>;
  search: Search;
}) {
  return (
    <Link to={to} params={params as never} search={search as never} className={styles.tile}>
      <Content {...content} />
    </Link>
  );
}

/** A tile that is chosen on the same page. */
export function TileButton({ chosen, onPress, ...content }: TileContent & { chosen: boolean; onPress: () => void }) {
  return (
    <button type="button" className={styles.tile} aria-pressed={chosen} onClick={onPress}>
      <Content {...content} />
    </button>
  );
}

/** The place of a tile whose content is not known yet. */
export function TileWait() {
  return <span className={styles.wait} aria-hidden />;
}
