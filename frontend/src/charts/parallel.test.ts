import { expect, test } from "vitest";
import { axesOf, axisFor, brushesOf, brushesText, heightsOf, isHeld, movedBrush, nameLines, type TrialPoint } from "./parallel";
import { axisOf, ticksOf } from "./IntervalDot";
import { sparkPoints } from "./Sparkline";

const trials: TrialPoint[] = [
  { trial: 0, values: { lr: 0.001, optimizer: "sgd", seed: 1 }, score: 0.5 },
  { trial: 1, values: { lr: 0.1, optimizer: "adamw", seed: 1 }, score: 0.9 },
  { trial: 2, values: { optimizer: "sgd", seed: 1 }, score: 0.7 },
];

test("settings that vary have an axis, and the metric the last one", () =>
  expect(axesOf(trials, "accuracy").map((axis) => axis.name)).toEqual(["lr", "optimizer", "accuracy"]));

test("a wide range is logarithmic, a narrow one is not", () => {
  expect(axisFor("lr", [0.001, 0.1]).height(0.01)).toBeCloseTo(0.5);
  expect(axisFor("lr", [0.1, 0.2]).height(0.15)).toBeCloseTo(0.5);
  expect(axisFor("lr", [0, 100]).height(50)).toBeCloseTo(0.5);
  expect(axisFor("lr", [3, 3]).height(3)).toBe(0.5);
});

test("whole numbers have whole ticks, and long names two lines", () => {
  expect(axisFor("epochs", [2, 4]).ticks.map((tick) => [tick.height, tick.text])).toEqual([[0, "2"], [0.5, "3"], [1, "4"]]);
  expect(nameLines("number_of_epochs")).toEqual(["number of", "epochs"]);
  expect(nameLines("warmup_cosine_lr_warmup_epochs")).toEqual(["warmup cosine", "lr warmup epochs"]);
});

test("a brush holds the trials that pass through it", () => {
  const axes = axesOf(trials, "accuracy");
  const held = (brushes: Record<string, [number, number]>) =>
    trials.filter((trial) => isHeld(heightsOf(trial, axes), axes, brushes)).map((trial) => trial.trial);
  expect(held({})).toEqual([0, 1, 2]);
  expect(held({ accuracy: [0.4, 1] })).toEqual([1, 2]);
  expect(held({ accuracy: [0.4, 1], lr: [0, 1] })).toEqual([1]);
  expect(held({ other: [0, 0] })).toEqual([0, 1, 2]);
});

test("brushes survive the address", () => {
  const brushes = { learning_rate: [0.25, 0.5] as [number, number], accuracy: [0, 1] as [number, number] };
  expect(brushesOf(brushesText(brushes) ?? "")).toEqual(brushes);
  expect(brushesText({})).toBeUndefined();
  expect(brushesOf("nonsense;a:0.9-0.1")).toEqual({});
});

test("arrow keys move the ends of a brush and never cross them", () => {
  expect(movedBrush(undefined, 0.1, false)).toEqual([0.1, 1]);
  expect(movedBrush([0.2, 0.3], 0.2, false)).toEqual([0.4, 0.4]);
  expect(movedBrush([0.2, 0.3], -0.2, true)).toEqual([0.09999999999999998, 0.09999999999999998]);
});

test("an axis holds all intervals and has few round ticks", () => {
  const axis = axisOf([{ value: 0.5, low: 0.4, high: 0.6 }, null, { value: 0.9 }]);
  expect(axis.low).toBeCloseTo(0.37);
  expect(axis.high).toBeCloseTo(0.93);
  expect(ticksOf(axis).map((tick) => tick.toFixed(1))).toEqual(["0.4", "0.6", "0.8"]);
  expect(axisOf([])).toEqual({ low: 0, high: 1 });
});

test("a sparkline begins at the left, ends at the right, and its best value is at the top", () => {
  expect(sparkPoints([1, 3, 2])).toEqual([[0, 21], [50, 3], [100, 12]]);
  expect(sparkPoints([5])).toEqual([[100, 12]]);
});
