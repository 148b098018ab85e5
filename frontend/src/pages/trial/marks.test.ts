import { expect, test } from "vitest";
import { imagesOf, markOf, NO_MARK } from "./marks";

const at = (x: unknown, data: unknown, series: Record<string, unknown> = {}) => ({ x, data, series });
const classes = ["cat", "dog"];

test.each([
  ["roc", at(0.1, [0.25, 1], { classes }), { threshold: 0.25, label: "dog", outcome: "wrong" }],
  ["precision_recall", at(0.1, Float64Array.of(0.25, 0), { classes }), { threshold: 0.25, label: "cat", outcome: "wrong" }],
  ["roc", at(0, [NaN, 0], { classes }), null],
  ["precision_recall_by_overlap", at(0, undefined), null],
  ["thresholds", at(0.5, undefined), { threshold: 0.5, outcome: "wrong" }],
  ["reliability", at(0.5, [12, 0.4, 0.6], { curve: "after temperature scaling" }), { lowest: 0.4, highest: 0.6 }],
  ["reliability", at(0.5, [12, 0, 1], { curve: "before scaling" }), { lowest: 0, highest: 1, before_scaling: true }],
])("the marks of %s", (figure, mark, expected) => {
  expect(imagesOf(figure, mark)).toEqual(expected === null ? null : { ...NO_MARK, ...expected });
});

test("a mark survives the address, and nonsense is left out", () => {
  expect(markOf({ threshold: "0.25", lowest: 0.4, highest: "0.6", before_scaling: true })).toEqual({
    threshold: 0.25,
    lowest: 0.4,
    highest: 0.6,
    before_scaling: true,
  });
  expect(markOf({ threshold: "much", lowest: "0.4" })).toEqual({ threshold: undefined });
});
