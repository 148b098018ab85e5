// The page's computation against Python's: cases.json is written and checked by tests/studio/test_threshold_cases.py.
import { describe, expect, test } from "vitest";
import cases from "./cases.json";
import { choose, curveOf, type Goal } from "./choose";
import { confusion, measure, outcomes, states, type Rate } from "./measure";
import { unpack, type Packed, type Table } from "./tables";

interface Case {
  name: string;
  classes: number;
  one_label: boolean;
  table: Packed;
  at: { thresholds: number[]; all: Rates; first: Rates; states: number[]; outcomes: number[][]; confusion: number[][] | null }[];
  chosen: { goal: Goal; only: number | null; threshold: number | null }[];
}

interface Rates {
  precision: (number | null)[];
  recall: (number | null)[];
  answered: (number | null)[];
}

const close = (rate: Rate, expected: (number | null)[]) =>
  [rate.value, rate.low, rate.high].forEach((value, i) => {
    const wanted = expected[i];
    if (wanted === null || wanted === undefined) expect(value).toBeNaN();
    else expect(value).toBeCloseTo(wanted, 12);
  });

describe.each(cases as unknown as Case[])("$name", (one) => {
  const table = unpack(one.table, one.classes);

  test.each(one.at)("rates, states and confusion at $thresholds", (expected) => {
    for (const [only, rates] of [[null, expected.all], [0, expected.first]] as const) {
      const found = measure(table, expected.thresholds, only);
      close(found.precision, rates.precision);
      close(found.recall, rates.recall);
      close(found.answered, rates.answered);
    }
    expect([...states(table, expected.thresholds)]).toEqual(expected.states);
    expect(outcomes(table, expected.thresholds).map(({ found, missed, wrong }) => [found, missed, wrong])).toEqual(expected.outcomes);
    if (expected.confusion !== null) expect(confusion(table, expected.thresholds)).toEqual(expected.confusion);
  });

  test.each(one.chosen)("the threshold for $goal of class $only", ({ goal, only, threshold }) =>
    expect(choose(curveOf(table, only), goal)).toBe(threshold),
  );
});

/** Made answers of many images. */
function made(images: number, each: number, classes: number): Table {
  const answers = images * each;
  const random = (seed: number) => ((seed * 2654435761) % 4294967296) / 4294967296;
  return {
    images,
    classes,
    rows: Int32Array.from({ length: images }, (_, i) => i),
    image: Uint32Array.from({ length: answers }, (_, i) => Math.floor(i / each)),
    label: Uint16Array.from({ length: answers }, (_, i) => i % classes),
    score: Float64Array.from({ length: answers }, (_, i) => random(i + 1)),
    right: Uint8Array.from({ length: answers }, (_, i) => (random(i + 1) + random(i + 7) > 1 ? 1 : 0)),
    trueImage: Uint32Array.from({ length: images }, (_, i) => i),
    trueLabel: Uint16Array.from({ length: images }, (_, i) => i % classes),
    trueNumber: new Uint16Array(images).fill(1),
  };
}

test.each([
  [5_000, 1, 10],
  [5_000, 20, 20],
  [5_000, 100, 80],
])("5,000 images with %i x %i answers: the time of one position of the slider is printed", (images, each, classes) => {
  const table = made(images, each, classes);
  const times: number[] = [];
  for (let i = 0; i < 15; i++) {
    const thresholds = new Array<number>(classes).fill(i / 15);
    const begin = performance.now();
    measure(table, thresholds);
    const found = states(table, thresholds);
    outcomes(table, thresholds);
    times.push(performance.now() - begin);
    expect(found).toHaveLength(images);
  }
  times.sort((a, b) => a - b);
  console.info(`${images} images, ${images * each} answers: median ${times[7]?.toFixed(1)} ms, longest ${times[14]?.toFixed(1)} ms`);
});
