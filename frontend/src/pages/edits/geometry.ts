// Boxes on an image: where they are after a drag, which one is meant, and the part of an image to show. Pixels throughout.

export type Box = [number, number, number, number]; // x1, y1, x2, y2 with x1 < x2 and y1 < y2
export type Point = [number, number];
export interface Size {
  width: number;
  height: number;
}

/** The corner or side of a box that is dragged: "n" is the top, "se" the corner at the bottom right. */
export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"] as const;
export type Handle = (typeof HANDLES)[number];

export const LEAST = 2; // pixels of a side; less is a click, not a box

const within = (value: number, low: number, high: number) => Math.min(Math.max(value, low), Math.max(low, high));
const tenth = (value: number) => Math.round(value * 10) / 10;

/** To a tenth of a pixel. */
export const rounded = (box: Box): Box => box.map(tenth) as Box;

/** The box shifted; it stops at the borders of the image and keeps its size. */
export function moved([x1, y1, x2, y2]: Box, dx: number, dy: number, { width, height }: Size): Box {
  const x = within(dx, -x1, width - x2);
  const y = within(dy, -y1, height - y2);
  return rounded([x1 + x, y1 + y, x2 + x, y2 + y]);
}

/** The box with one corner or side dragged; it stops at the borders and does not turn over. */
export function resized(box: Box, handle: Handle, dx: number, dy: number, { width, height }: Size): Box {
  let [x1, y1, x2, y2] = box;
  if (handle.includes("w")) x1 = within(x1 + dx, 0, x2 - LEAST);
  if (handle.includes("e")) x2 = within(x2 + dx, x1 + LEAST, width);
  if (handle.includes("n")) y1 = within(y1 + dy, 0, y2 - LEAST);
  if (handle.includes("s")) y2 = within(y2 + dy, y1 + LEAST, height);
  return rounded([x1, y1, x2, y2]);
}

/** The box between two points, inside the image. */
export function spanned(from: Point, to: Point, { width, height }: Size): Box {
  const xs = [from[0], to[0]].map((x) => within(x, 0, width));
  const ys = [from[1], to[1]].map((y) => within(y, 0, height));
  return rounded([Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]);
}

/** Whether it is large enough to be meant. */
export const isBox = ([x1, y1, x2, y2]: Box) => x2 - x1 >= LEAST && y2 - y1 >= LEAST;

/** A box in the middle of the image, for those who draw with keys. */
export function middle({ width, height }: Size): Box {
  return rounded([width * 0.375, height * 0.375, width * 0.625, height * 0.625]);
}

/** Where the handles of a box are. */
export function handlesOf([x1, y1, x2, y2]: Box): { handle: Handle; at: Point }[] {
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const places: Record<Handle, Point> = {
    nw: [x1, y1], n: [x, y1], ne: [x2, y1], e: [x2, y], se: [x2, y2], s: [x, y2], sw: [x1, y2], w: [x1, y],
  }; // prettier-ignore
  return HANDLES.map((handle) => ({ handle, at: places[handle] }));
}

/** The handle of a box next to a point, if one is within reach; corners before sides. */
export function handleAt(box: Box, [x, y]: Point, reach: number): Handle | null {
  const near = handlesOf(box)
    .map(({ handle, at }) => ({ handle, far: Math.hypot(at[0] - x, at[1] - y) }))
    .filter(({ far }) => far <= reach)
    .sort((one, other) => other.handle.length - one.handle.length || one.far - other.far);
  return near[0]?.handle ?? null;
}

/** The boxes that hold a point, the smallest first: one inside another can be reached. */
export function hits<T extends { box: Box | null }>(shapes: T[], [x, y]: Point): T[] {
  const area = ([x1, y1, x2, y2]: Box) => (x2 - x1) * (y2 - y1);
  return shapes
    .filter(({ box }) => box !== null && box[0] <= x && x <= box[2] && box[1] <= y && y <= box[3])
    .sort((one, other) => area(one.box as Box) - area(other.box as Box));
}

/** The box around polygons, each x, y, x, y, ...; null without any. */
export function around(polygons: number[][]): Box | null {
  const points = polygons.flat();
  if (points.length === 0) return null;
  const xs = points.filter((_, i) => i % 2 === 0);
  const ys = points.filter((_, i) => i % 2 === 1);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** The part of an image that shows some boxes and what is around them; all of it where they fill it or there are none. */
export function focusOf(boxes: Box[], { width, height }: Size): Box {
  const all: Box = [0, 0, width, height];
  const whole = around(boxes.map(([x1, y1, x2, y2]) => [x1, y1, x2, y2]));
  if (whole === null) return all;
  const side = Math.min(3 * Math.max(whole[2] - whole[0], whole[3] - whole[1], 24), Math.max(width, height));
  if (side >= 0.7 * Math.max(width, height)) return all;
  const span = (low: number, high: number, length: number): Point => {
    const size = Math.min(side, length);
    const from = within((low + high) / 2 - size / 2, 0, length - size);
    return [from, from + size];
  };
  const [x1, x2] = span(whole[0], whole[2], width);
  const [y1, y2] = span(whole[1], whole[3], height);
  return rounded([x1, y1, x2, y2]);
}

export const ZOOMS = [1, 2, 4, 8];

/** How much to enlarge an image so that a box can be worked on: its longer side is a tenth of the image, if that can be. */
export function zoomFor(box: Box, { width, height }: Size): number {
  const share = Math.max(box[2] - box[0], box[3] - box[1]) / Math.max(width, height);
  return ZOOMS.find((zoom) => zoom * share >= 0.1) ?? 8;
}
