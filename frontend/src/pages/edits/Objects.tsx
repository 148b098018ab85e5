// The boxes or masks of an image as a list: each can be chosen and deleted with keys, and by those who do not see them.
import { useEffect, useRef } from "react";
import { Button, Tag } from "../../components/controls";
import { count } from "../../components/format";
import type { Key, Labelled, Shape } from "./draft";
import styles from "./edits.module.css";

export function Objects({ now, marks, noun, selected, onSelect, onDelete }: {
  now: Labelled;
  marks: Map<Key, string>;
  noun: string;
  selected: Key | null;
  onSelect: (key: Key | null) => void;
  onDelete: (key: Key) => void;
}) {
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    const chosen = list.current?.querySelector<HTMLElement>("[aria-pressed=true]");
    if (list.current === null || chosen == null) return; // the list scrolls, never the page
    const [top, { scrollTop, clientHeight }] = [chosen.offsetTop - list.current.offsetTop, list.current];
    if (top < scrollTop || top + chosen.offsetHeight > scrollTop + clientHeight) list.current.scrollTop = top - clientHeight / 2;
  }, [selected]);
  const deleted = [...marks.values()].filter((mark) => mark === "deleted").length;
  const chosen = now.shapes.find(({ key }) => key === selected);
  return (
    <div className="stack">
      <h2>{count(now.shapes.length, noun, noun === "box" ? "boxes" : `${noun}s`)}</h2>
      {now.shapes.length > 0 && (
        <ul ref={list} className={styles.objects} aria-label={`the ${noun === "box" ? "boxes" : `${noun}s`} of the image`}>
          {now.shapes.map((shape, i) => (
            <li key={shape.key}>
              <button
                type="button"
                className={styles.object}
                aria-pressed={shape.key === selected}
                onClick={() => onSelect(shape.key === selected ? null : shape.key)}
              >
                <span className="numbers muted">{i + 1}</span> {shape.label}
                {marks.has(shape.key) && <Tag tone="warning">{marks.get(shape.key)}</Tag>}
              </button>
              <Button kind="quiet" onPress={() => onDelete(shape.key)} aria-label={`delete ${i + 1}, ${shape.label}`}>
                Delete
              </Button>
            </li>
          ))}
        </ul>
      )}
      <p className="small muted numbers" role="status">
        {chosen === undefined ? `None is chosen.` : placeOf(chosen)}
        {deleted > 0 && ` ${deleted} deleted.`}
      </p>
    </div>
  );
}

function placeOf({ label, box }: Shape): string {
  if (box === null) return `${label} is chosen.`;
  const [x1, y1, x2, y2] = box.map(Math.round) as [number, number, number, number];
  return `${label} is chosen: ${x2 - x1} × ${y2 - y1} pixels at ${x1}, ${y1}.`;
}
