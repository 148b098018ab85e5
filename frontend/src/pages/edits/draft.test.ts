import { afterEach, expect, test } from "vitest";
import { changesOf, lost, marksOf, newKey, replay, storedSteps, storeSteps, unsaved, withStep, type Labelled, type Step } from "./draft";

const BASE: Labelled = {
  labels: [],
  excluded: false,
  shapes: [
    { key: 0, label: "hat", box: [1, 1, 9, 9], polygons: [] },
    { key: "a1", label: "vest", box: [20, 20, 40, 40], polygons: [] },
  ],
};
const PLACE = { workspace: "", name: "ppe", number: 2 };

afterEach(() => window.localStorage.clear());

test("steps come to as few edits as tell the same", () => {
  const steps: Step[] = [
    { do: "move", key: 0, box: [2, 2, 9, 9] },
    { do: "move", key: 0, box: [3, 3, 9, 9] },
    { do: "draw", key: "new-1", label: "hat", box: [50, 5, 60, 15] },
    { do: "move", key: "new-1", box: [51, 5, 61, 15] },
    { do: "relabel", key: "new-1", label: "vest" },
    { do: "draw", key: "new-2", label: "hat", box: [5, 5, 8, 8] },
    { do: "delete", key: "new-2" },
    { do: "delete", key: "a1" },
    { do: "exclude" },
  ];
  const found = changesOf("x.jpg", BASE, replay(BASE, steps));
  expect(found.map(({ action, object, labels, bbox }) => [action, object, labels, bbox])).toEqual([
    ["delete", "a1", [], undefined],
    ["move", 0, [], [3, 3, 9, 9]],
    ["draw", undefined, ["vest"], [51, 5, 61, 15]],
    ["exclude", undefined, [], undefined],
  ]);
  expect(newKey(steps)).toBe("new-3");
});

test("what was changed there and back is no edit", () => {
  const steps: Step[] = [
    { do: "relabel", key: 0, label: "vest" },
    { do: "relabel", key: 0, label: "hat" },
    { do: "labels", labels: ["b", "a"] },
  ];
  expect(changesOf("x.jpg", { ...BASE, labels: ["a", "b"] }, replay({ ...BASE, labels: ["a", "b"] }, steps))).toEqual([]);
});

test("steps about a box that somebody removed are told, and do nothing", () => {
  const steps: Step[] = [{ do: "move", key: "a1", box: [1, 1, 5, 5] }, { do: "relabel", key: 0, label: "vest" }];
  const base = { ...BASE, shapes: BASE.shapes.slice(0, 1) };
  expect(lost(base, steps)).toEqual([steps[0]]);
  expect(changesOf("x.jpg", base, replay(base, steps)).map(({ action }) => action)).toEqual(["relabel"]);
});

test("nudges are one step, drags are each their own", () => {
  const nudge: Step = { do: "move", key: 0, box: [2, 1, 10, 9] };
  expect(withStep([{ do: "move", key: 0, box: [1, 2, 9, 10] }], nudge, true)).toEqual([nudge]);
  expect(withStep([{ do: "move", key: 0, box: [1, 2, 9, 10] }], nudge)).toHaveLength(2);
  expect(withStep([{ do: "move", key: "a1", box: [1, 2, 9, 10] }], nudge, true)).toHaveLength(2);
});

test("what happened to each box has a word", () => {
  const after = replay(BASE, [
    { do: "relabel", key: 0, label: "vest" },
    { do: "delete", key: "a1" },
    { do: "draw", key: "new-1", label: "hat", box: [5, 5, 8, 8] },
  ]);
  expect([...marksOf(BASE, after)]).toEqual([[0, "was hat"], ["new-1", "new"], ["a1", "deleted"]]);
});

test("steps outlast a reload, each version and image its own", () => {
  storeSteps(PLACE, 3, "x.jpg", [{ do: "exclude" }]);
  storeSteps({ ...PLACE, number: 22 }, 4, "y.jpg", [{ do: "exclude" }]);
  expect(storedSteps(PLACE, 3)).toEqual([{ do: "exclude" }]);
  expect(unsaved(PLACE)).toEqual([{ row: 3, image: "x.jpg" }]);
  storeSteps(PLACE, 3, "x.jpg", []);
  expect(unsaved(PLACE)).toEqual([]);
  window.localStorage.setItem("automl-vision-draft:/ppe/2/5", "{half");
  expect(storedSteps(PLACE, 5)).toEqual([]);
});
