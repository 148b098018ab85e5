// A grid of any number of images of which only those in sight are in the page.
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import styles from "./Gallery.module.css";

const GAP = 12;

/** A grid whose tiles are drawn when they come into sight.
 *
 * `onNear` is called with the position of the last tile in sight, so that the next page can be asked for; `onColumns`
 * with the number of columns, for keys that move by a row; `reveal` is scrolled into sight when it changes.
 */
export function Gallery({ total, tile, tileWidth = 180, tileHeight = 196, label, onNear, onColumns, reveal }: {
  total: number;
  tile: (position: number) => ReactNode;
  tileWidth?: number;
  tileHeight?: number;
  label: string;
  onNear?: (position: number) => void;
  onColumns?: (columns: number) => void;
  reveal?: number | undefined;
}) {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const place = element.current;
    if (place === null) return;
    const measure = () => {
      setWidth(place.clientWidth);
      setTop(place.getBoundingClientRect().top + window.scrollY);
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(place);
    observer.observe(document.body); // what is above it may have grown
    return () => observer.disconnect();
  }, []);
  const columns = Math.max(1, Math.floor((width + GAP) / (tileWidth + GAP)));
  const rows = useWindowVirtualizer({
    count: Math.ceil(total / columns),
    estimateSize: () => tileHeight + GAP,
    overscan: 2,
    scrollMargin: top,
    onChange: (grid) => {
      const last = grid.getVirtualItems().at(-1);
      if (last !== undefined) onNear?.(Math.min(total, (last.index + 1) * columns) - 1);
    },
  });
  useEffect(() => {
    if (width > 0) onColumns?.(columns);
  }, [columns, width, onColumns]);
  useEffect(() => {
    if (reveal === undefined || width === 0) return;
    const begin = top + Math.floor(reveal / columns) * (tileHeight + GAP);
    const above = begin - 72 < window.scrollY;
    const below = begin + tileHeight > window.scrollY + window.innerHeight;
    if (above || below) window.scrollTo({ top: above ? begin - 84 : begin + tileHeight - window.innerHeight + 24 });
  }, [reveal, columns, top, width, tileHeight]);
  return (
    <div ref={element} className={styles.gallery} style={{ height: rows.getTotalSize() }} role="list" aria-label={label}>
      {width > 0 &&
        rows.getVirtualItems().map((row) => (
          <div
            key={row.key}
            className={styles.row}
            role="presentation"
            style={{
              gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
              height: tileHeight,
              transform: `translateY(${row.start - top}px)`,
            }}
          >
            {Array.from({ length: columns }, (_, column) => row.index * columns + column)
              .filter((position) => position < total)
              .map((position) => (
                <div key={position} role="listitem" className={styles.tile}>
                  {tile(position)}
                </div>
              ))}
          </div>
        ))}
    </div>
  );
}
