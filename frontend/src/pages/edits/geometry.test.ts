import { expect, test } from "vitest";
import { around, focusOf, handleAt, hits, isBox, middle, moved, resized, spanned, zoomFor, type Box, type Handle } from "./geometry";

const SIZE = { width: 100, height: 80 };
const BOX: Box = [10, 20, 30, 50];

test.each<[number, number, Box]>([
  [5, -4, [15, 16, 35, 46]],
  [-50, 0, [0, 20, 20, 50]],
  [500, 500, [80, 50, 100, 80]],
  [0.04, 0.26, [10, 20.3, 30, 50.3]],
])("a box moved by %d, %d stays inside and keeps its size", (dx, dy, expected) => {
  expect(moved(BOX, dx, dy, SIZE)).toEqual(expected);
});

test.each<[Handle, number, number, Box]>([
  ["se", 5, 6, [10, 20, 35, 56]],
  ["nw", -50, -50, [0, 0, 30, 50]],
  ["e", 500, 9, [10, 20, 100, 50]],
  ["n", 9, 40, [10, 48, 30, 50]],
  ["w", 40, 0, [28, 20, 30, 50]],
])("%s dragged by %d, %d neither leaves the image nor turns the box over", (handle, dx, dy, expected) => {
  expect(resized(BOX, handle, dx, dy, SIZE)).toEqual(expected);
});

test("a box is drawn from any corner to any other, inside the image", () => {
  expect(spanned([30, 50], [-9, 200], SIZE)).toEqual([0, 50, 30, 80]);
  expect(isBox(spanned([30, 50], [31, 70], SIZE))).toBe(false);
  expect(isBox(middle(SIZE))).toBe(true);
});

test("a handle is found within reach, a corner before a side", () => {
  expect(handleAt(BOX, [31, 51], 6)).toBe("se");
  expect(handleAt(BOX, [20, 18], 6)).toBe("n");
  expect(handleAt([0, 0, 4, 4], [3, 2], 6)?.length).toBe(2);
  expect(handleAt(BOX, [20, 35], 6)).toBeNull();
});

test("of boxes inside each other the smallest is meant first", () => {
  const shapes = [{ box: [0, 0, 90, 70] as Box }, { box: BOX }, { box: null }];
  expect(hits(shapes, [15, 25]).map(({ box }) => box)).toEqual([BOX, [0, 0, 90, 70]]);
  expect(hits(shapes, [95, 75])).toEqual([]);
});

test("a mask without a box gets the one around its polygons", () => {
  expect(around([[5, 6, 9, 2], [1, 3, 4, 8]])).toEqual([1, 2, 9, 8]);
  expect(around([])).toBeNull();
});

test("small changes are shown enlarged, large ones with the whole image", () => {
  const large = { width: 1000, height: 800 };
  expect(focusOf([[0, 0, 20, 20]], large)).toEqual([0, 0, 72, 72]);
  expect(focusOf([[490, 390, 510, 430]], large)).toEqual([440, 350, 560, 470]);
  expect(focusOf([[100, 100, 900, 700]], large)).toEqual([0, 0, 1000, 800]);
  expect(focusOf([], large)).toEqual([0, 0, 1000, 800]);
});

test.each<[Box, number]>([
  [[0, 0, 10, 2], 1],
  [[0, 0, 3, 6], 2],
  [[0, 0, 0.1, 0.1], 8],
])("the box %j is worked on at %d times", (box, expected) => expect(zoomFor(box, SIZE)).toBe(expected));
