// Changes of one image that are not saved yet: the steps a person made, what they come to, and the edits to propose.
// Steps are kept in this browser, so that a reload, a crash or a lost server takes none of them.
import type { Schemas } from "../../api/client";
import { around, type Box } from "./geometry";

export type Key = number | string;

export interface Shape {
  key: Key;
  label: string;
  box: Box | null;
  polygons: number[][];
}

/** An image as it is labelled. */
export interface Labelled {
  labels: string[];
  excluded: boolean;
  shapes: Shape[];
}

export type Step =
  | { do: "labels"; labels: string[] }
  | { do: "exclude" }
  | { do: "relabel"; key: Key; label: string }
  | { do: "move"; key: Key; box: Box }
  | { do: "draw"; key: string; label: string; box: Box }
  | { do: "delete"; key: Key };

export const LEFT_OUT = "left_out";

/** The labels of an answer as they are edited here. */
export function labelledOf(found: Schemas["ImageLabels"]): Labelled {
  return {
    labels: found.labels,
    excluded: found.split === LEFT_OUT,
    shapes: found.objects.map(({ key, label, box, polygons }) => ({
      key,
      label,
      box: (box as Box | null) ?? around(polygons),
      polygons,
    })),
  };
}

/** What steps come to; one about a box that is gone does nothing. */
export function replay(base: Labelled, steps: Step[]): Labelled {
  return steps.reduce(done, base);
}

function done(was: Labelled, step: Step): Labelled {
  const changed = (key: Key, change: Partial<Shape>) => ({
    ...was,
    shapes: was.shapes.map((shape) => (shape.key === key ? { ...shape, ...change } : shape)),
  });
  switch (step.do) {
    case "labels":
      return { ...was, labels: step.labels };
    case "exclude":
      return { ...was, excluded: true };
    case "relabel":
      return changed(step.key, { label: step.label });
    case "move":
      return changed(step.key, { box: step.box });
    case "draw":
      return { ...was, shapes: [...was.shapes, { key: step.key, label: step.label, box: step.box, polygons: [] }] };
    case "delete":
      return { ...was, shapes: was.shapes.filter(({ key }) => key !== step.key) };
  }
}

/** Steps whose box somebody else has removed meanwhile. */
export function lost(base: Labelled, steps: Step[]): Step[] {
  const known = new Set<Key>(base.shapes.map(({ key }) => key));
  for (const step of steps) if (step.do === "draw") known.add(step.key);
  return steps.filter((step) => "key" in step && !known.has(step.key));
}

/** Another step; small moves of the same box one after another are one. */
export function withStep(steps: Step[], step: Step, merges = false): Step[] {
  const last = steps.at(-1);
  const isSame = last?.do === "move" && step.do === "move" && last.key === step.key;
  return merges && isSame ? [...steps.slice(0, -1), step] : [...steps, step];
}

/** A key for a box that is drawn now. */
export function newKey(steps: Step[]): string {
  const drawn = steps.filter((step) => step.do === "draw").map(({ key }) => Number(key.slice(4)));
  return `new-${Math.max(0, ...drawn) + 1}`;
}

/** The edits that lead from one state to another, at most two of each box. */
export function changesOf(image: string, base: Labelled, now: Labelled): Schemas["NewChange"][] {
  const change = (rest: Partial<Schemas["NewChange"]> & { action: Schemas["NewChange"]["action"] }) =>
    ({ image, labels: [], polygon: [], ...rest }) as Schemas["NewChange"];
  const found: Schemas["NewChange"][] = [];
  if (!sameLabels(base.labels, now.labels)) found.push(change({ action: "relabel", labels: now.labels }));
  const before = new Map(base.shapes.map((shape) => [shape.key, shape]));
  const kept = new Set(now.shapes.map(({ key }) => key));
  for (const { key } of base.shapes) if (!kept.has(key)) found.push(change({ action: "delete", object: key }));
  for (const { key, label, box } of now.shapes) {
    const old = before.get(key);
    if (old === undefined) found.push(change({ action: "draw", labels: [label], bbox: box }));
    else {
      if (String(old.box) !== String(box)) found.push(change({ action: "move", object: key, bbox: box }));
      if (old.label !== label) found.push(change({ action: "relabel", object: key, labels: [label] }));
    }
  }
  if (now.excluded && !base.excluded) found.push(change({ action: "exclude" }));
  return found;
}

const sameLabels = (some: string[], others: string[]) => [...some].sort().join("\0") === [...others].sort().join("\0");

/** What happened to each box between two states, in a word. */
export function marksOf(before: Labelled, after: Labelled): Map<Key, string> {
  const old = new Map(before.shapes.map((shape) => [shape.key, shape]));
  const marks = new Map<Key, string>();
  for (const { key, label, box } of after.shapes) {
    const was = old.get(key);
    if (was === undefined) marks.set(key, "new");
    else if (was.label !== label) marks.set(key, `was ${was.label}`);
    else if (String(was.box) !== String(box)) marks.set(key, "moved");
  }
  const kept = new Set(after.shapes.map(({ key }) => key));
  for (const { key } of before.shapes) if (!kept.has(key)) marks.set(key, "deleted");
  return marks;
}

const PREFIX = "automl-vision-draft:";

export interface Place {
  workspace: string;
  name: string;
  number: number;
}

const folderOf = ({ workspace, name, number }: Place) => `${PREFIX}${workspace}/${name}/${number}/`;

interface Kept {
  image?: string;
  steps?: Step[];
}

function keptAt(name: string): Kept {
  try {
    return JSON.parse(window.localStorage.getItem(name) ?? "{}") as Kept;
  } catch {
    return {};
  }
}

/** The steps of an image that were not saved; none of what cannot be read. */
export function storedSteps(place: Place, row: number): Step[] {
  const { steps } = keptAt(folderOf(place) + row);
  return Array.isArray(steps) ? steps : [];
}

export function storeSteps(place: Place, row: number, image: string, steps: Step[]) {
  if (steps.length === 0) window.localStorage.removeItem(folderOf(place) + row);
  else window.localStorage.setItem(folderOf(place) + row, JSON.stringify({ image, steps }));
}

/** The images of a version with changes that were not saved in this browser. */
export function unsaved(place: Place): { row: number; image: string }[] {
  const folder = folderOf(place);
  return Object.keys(window.localStorage)
    .filter((name) => name.startsWith(folder))
    .map((name) => {
      const row = Number(name.slice(folder.length));
      return { row, image: keptAt(name).image ?? `image ${row}` };
    })
    .sort((one, other) => one.row - other.row);
}
