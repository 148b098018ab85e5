// Which threshold meets what is wanted: as `evaluation/goals.py` defines it; cases.json holds it to that.
import { wilsonLow } from "./measure";
import type { Table } from "./tables";

export interface Curve {
  thresholds: Float64Array; // falling, each a score that occurred
  right: Float64Array; // right answers at or above it
  shown: Float64Array; // answers at or above it
  positives: number;
}

export type Goal =
  | { by: "precision" | "recall"; value: number; cautious: boolean }
  | { by: "cost"; false: number; missed: number }
  | { by: "f1" };

const ROUNDING = 1e-9;
const NOTHING = 1; // the threshold that shows as good as nothing

/** What each threshold shows of one class, or of all classes. */
export function curveOf(table: Table, only: number | null = null): Curve {
  const mine: number[] = [];
  for (let i = 0; i < table.label.length; i++) if (only === null || table.label[i] === only) mine.push(i);
  const order = Uint32Array.from(mine).sort((a, b) => (table.score[b] as number) - (table.score[a] as number));
  const thresholds: number[] = [];
  const right: number[] = [];
  const shown: number[] = [];
  let hits = 0;
  for (let i = 0; i < order.length; i++) {
    hits += table.right[order[i] as number] as number;
    const score = table.score[order[i] as number] as number;
    if (i + 1 < order.length && table.score[order[i + 1] as number] === score) continue;
    thresholds.push(score);
    right.push(hits);
    shown.push(i + 1);
  }
  let positives = 0;
  for (let i = 0; i < table.trueLabel.length; i++)
    if (only === null || table.trueLabel[i] === only) positives += table.trueNumber[i] as number;
  return {
    thresholds: Float64Array.from(thresholds),
    right: Float64Array.from(right),
    shown: Float64Array.from(shown),
    positives,
  };
}

/** The threshold that meets a goal best; null if none does. */
export function choose(curve: Curve, goal: Goal): number | null {
  switch (goal.by) {
    case "precision":
      return byPrecision(curve, goal.value, goal.cautious);
    case "recall":
      return byRecall(curve, goal.value, goal.cautious);
    case "cost":
      return byCost(curve, goal.false, goal.missed);
    case "f1":
      return byF1(curve);
  }
}

function at(values: Float64Array, i: number): number {
  return values[i] as number;
}

function reaches(right: number, cases: number, wanted: number, cautious: boolean): boolean {
  return right > 0 && (cautious ? wilsonLow(right, cases) : right / cases) >= wanted - ROUNDING;
}

function byPrecision(curve: Curve, wanted: number, cautious: boolean): number | null {
  let best = -1;
  for (let i = 0; i < curve.thresholds.length; i++)
    if (reaches(at(curve.right, i), at(curve.shown, i), wanted, cautious) && (best < 0 || at(curve.right, i) > at(curve.right, best)))
      best = i;
  return best < 0 ? null : at(curve.thresholds, best);
}

function byRecall(curve: Curve, wanted: number, cautious: boolean): number | null {
  const cases = Math.max(curve.positives, 1);
  const precision = (i: number) => at(curve.right, i) / at(curve.shown, i);
  let best = -1;
  for (let i = 0; i < curve.thresholds.length; i++)
    if (reaches(at(curve.right, i), cases, wanted, cautious) && (best < 0 || precision(i) >= precision(best))) best = i;
  return best < 0 ? null : at(curve.thresholds, best);
}

function byCost(curve: Curve, wrong: number, missed: number): number | null {
  if (curve.thresholds.length === 0) return null;
  const cost = (i: number) => wrong * (at(curve.shown, i) - at(curve.right, i)) + missed * (curve.positives - at(curve.right, i));
  let best = 0;
  for (let i = 1; i < curve.thresholds.length; i++) if (cost(i) < cost(best)) best = i;
  if (cost(best) >= missed * curve.positives && at(curve.thresholds, 0) < NOTHING) return NOTHING;
  return at(curve.thresholds, best);
}

function byF1(curve: Curve): number | null {
  const f1 = (i: number) => (2 * at(curve.right, i)) / (at(curve.shown, i) + curve.positives);
  let best = -1;
  for (let i = 0; i < curve.thresholds.length; i++) if (at(curve.right, i) > 0 && (best < 0 || f1(i) > f1(best))) best = i;
  return best < 0 ? null : at(curve.thresholds, best);
}

/** A goal in words, as it is saved with the thresholds. */
export function goalText(goal: Goal): string {
  if (goal.by === "f1") return "the best F1";
  if (goal.by === "cost") return `the least cost (false ${goal.false}, missed ${goal.missed})`;
  return `a ${goal.by} of at least ${goal.value}${goal.cautious ? " at the lower end of its interval" : ""}`;
}
