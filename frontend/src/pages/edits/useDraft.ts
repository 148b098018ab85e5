// An image while it is edited: its labels with the steps that are not saved, the chosen box, and what can be done to both.
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { changesOf, labelledOf, lost, marksOf, newKey, replay, storedSteps, storeSteps, withStep, type Key, type Place, type Step } from "./draft";
import { middle, moved, resized, type Box, type Point } from "./geometry";

const ARROWS: Record<string, Point> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Keys that move the chosen box. */
export const MOVES = Object.keys(ARROWS);

export interface DraftOptions {
  place: Place;
  draft: Schemas["EditDraft"];
  image: Schemas["ImageEdits"];
  label: string; // of the next box
  onLabel: (label: string) => void;
  first: Key | null; // the box that is chosen to begin with
}

export type ImageDraft = ReturnType<typeof useDraft>;

export function useDraft({ place, draft, image, label, onLabel, first }: DraftOptions) {
  const [steps, setSteps] = useState<Step[]>(() => storedSteps(place, image.row));
  const [selected, select] = useState<Key | null>(first);
  const [drawing, setDrawing] = useState(false);
  const [added, setAdded] = useState<string[]>([]);

  const base = labelledOf(image.after);
  const now = replay(base, steps);
  const chosen = now.shapes.find(({ key }) => key === selected);
  const classes = [...draft.classes, ...added.filter((one) => !draft.classes.includes(one))];

  const keep = (next: Step[]) => {
    setSteps(next);
    storeSteps(place, image.row, image.image, next);
  };
  const step = (next: Step, merges = false) => keep(withStep(steps, next, merges));
  const draw = (box: Box) => {
    const key = newKey(steps);
    step({ do: "draw", key, label, box });
    select(key);
    setDrawing(false);
  };
  const remove = (key: Key) => {
    step({ do: "delete", key });
    if (key === selected) select(null);
  };
  const exclude = () => {
    const others = steps.filter((one) => one.do !== "exclude");
    if (others.length < steps.length) keep(others);
    else step({ do: "exclude" });
  };
  const choose = (name: string) => {
    if (draft.kind === "label") step({ do: "labels", labels: [name] });
    else if (draft.kind === "labels") step({ do: "labels", labels: toggled(now.labels, name, classes) });
    else {
      if (chosen !== undefined) step({ do: "relabel", key: chosen.key, label: name });
      onLabel(name);
    }
  };
  const nudge = ({ key, shiftKey }: KeyboardEvent) => {
    if (chosen?.box == null) return;
    const by = Math.max(1, Math.round(Math.max(image.width, image.height) / 400));
    const [dx, dy] = (ARROWS[key] ?? [0, 0]).map((one) => one * by) as Point;
    const box = shiftKey ? resized(chosen.box, "se", dx, dy, image) : moved(chosen.box, dx, dy, image);
    step({ do: "move", key: chosen.key, box }, true);
  };
  /** Choose the next box, or the one before. */
  const another = (by: 1 | -1) => {
    const count = now.shapes.length;
    const at = now.shapes.findIndex(({ key }) => key === selected);
    const next = at < 0 && by < 0 ? count - 1 : (at + by + count) % Math.max(1, count);
    select(now.shapes[next]?.key ?? null);
  };
  return {
    base,
    now,
    steps,
    changes: changesOf(image.image, base, now),
    marks: marksOf(labelledOf(image.before), now),
    gone: lost(base, steps).length,
    selected,
    chosen,
    select,
    drawing,
    setDrawing,
    classes,
    choose,
    add: (name: string) => {
      setAdded([...added, name]);
      choose(name);
    },
    draw,
    drawMiddle: () => draw(middle(image)),
    move: (key: Key, box: Box) => step({ do: "move", key, box }),
    nudge,
    another,
    remove,
    exclude,
    undo: () => keep(steps.slice(0, -1)),
    clear: () => {
      keep([]);
      select(null);
    },
  };
}

/** The labels with one more or without it, in the order of the classes. */
function toggled(labels: string[], name: string, classes: string[]): string[] {
  const has = (one: string) => (one === name ? !labels.includes(name) : labels.includes(one));
  return [...new Set([...classes, name])].filter(has);
}
