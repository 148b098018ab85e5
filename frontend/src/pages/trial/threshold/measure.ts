// What thresholds do: rates with intervals, confusion, and the state of each image. The one place where the page
// computes; `experiment/decisions.py` and `evaluation/operating.py` define it, and cases.json holds it to them.
import type { Table } from "./tables";

export interface Rate {
  value: number; // NaN where nothing is counted
  low: number;
  high: number;
}

export interface Measured {
  precision: Rate;
  recall: Rate;
  answered: Rate; // share of the images with any answer
  shown: number;
  right: number;
  positives: number;
}

export const RIGHT = 0;
export const MISSED = 1;
export const WRONG = 2;

const Z = 1.959963984540054;

/** The interval of a share whose cases come in clusters (Wilson; Kish 1965; Dean and Pagano 2015). */
export function clusteredInterval(successes: ArrayLike<number>, cases: ArrayLike<number>): Rate {
  let total = 0;
  let right = 0;
  for (let i = 0; i < cases.length; i++) {
    total += cases[i] ?? 0;
    right += successes[i] ?? 0;
  }
  if (total === 0) return { value: NaN, low: NaN, high: NaN };
  const share = right / total;
  let spread = 0;
  for (let i = 0; i < cases.length; i++) {
    const distance = (successes[i] ?? 0) - share * (cases[i] ?? 0);
    spread += distance * distance;
  }
  const effective = spread > 0 ? total * Math.min(1, (total * share * (1 - share)) / spread) : total;
  return { ...wilson(share, effective), value: share };
}

function wilson(share: number, cases: number): { low: number; high: number } {
  const centre = (share + Z ** 2 / (2 * cases)) / (1 + Z ** 2 / cases);
  const half = (Z / (1 + Z ** 2 / cases)) * Math.sqrt((share * (1 - share)) / cases + Z ** 2 / (4 * cases ** 2));
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/** The lower end of Wilson's interval of a share of cases. */
export function wilsonLow(successes: number, cases: number): number {
  return wilson(successes / cases, cases).low;
}

/** Precision, recall and the share of images with an answer at thresholds by class; of one class, or of all. */
export function measure(table: Table, thresholds: ArrayLike<number>, only: number | null = null): Measured {
  const right = new Float64Array(table.images);
  const shown = new Float64Array(table.images);
  const positives = new Float64Array(table.images);
  for (let i = 0; i < table.label.length; i++) {
    const label = table.label[i] as number;
    if ((only !== null && label !== only) || (table.score[i] as number) < (thresholds[label] as number)) continue;
    const image = table.image[i] as number;
    shown[image] = (shown[image] as number) + 1;
    right[image] = (right[image] as number) + (table.right[i] as number);
  }
  for (let i = 0; i < table.trueLabel.length; i++) {
    if (only !== null && table.trueLabel[i] !== only) continue;
    const image = table.trueImage[i] as number;
    positives[image] = (positives[image] as number) + (table.trueNumber[i] as number);
  }
  const one = new Float64Array(table.images).fill(1);
  return {
    precision: clusteredInterval(right, shown),
    recall: clusteredInterval(right, positives),
    answered: clusteredInterval(shown.map((count) => (count > 0 ? 1 : 0)), one),
    shown: sum(shown),
    right: sum(right),
    positives: sum(positives),
  };
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** Whether in each image all is right, something is missed but nothing shown wrongly, or something wrong is shown. */
export function states(table: Table, thresholds: ArrayLike<number>): Uint8Array {
  const right = new Int32Array(table.images);
  const found = new Uint8Array(table.images);
  for (let i = 0; i < table.label.length; i++) {
    if ((table.score[i] as number) < (thresholds[table.label[i] as number] as number)) continue;
    const image = table.image[i] as number;
    if (table.right[i] === 1) right[image] = (right[image] as number) + 1;
    else found[image] = WRONG;
  }
  for (let i = 0; i < table.trueLabel.length; i++) {
    const image = table.trueImage[i] as number;
    right[image] = (right[image] as number) - (table.trueNumber[i] as number);
  }
  for (let image = 0; image < table.images; image++)
    if (found[image] !== WRONG && (right[image] as number) < 0) found[image] = MISSED;
  return found;
}

/** Counts (true class, answered class) with one class per image; the last column counts images without an answer. */
export function confusion(table: Table, thresholds: ArrayLike<number>): number[][] {
  const width = table.classes + 1;
  const cells = Array.from({ length: table.classes }, () => new Array<number>(width).fill(0));
  const answered = new Uint16Array(table.images).fill(table.classes);
  for (let i = 0; i < table.label.length; i++) {
    const label = table.label[i] as number;
    if ((table.score[i] as number) >= (thresholds[label] as number)) answered[table.image[i] as number] = label;
  }
  for (let i = 0; i < table.trueLabel.length; i++) {
    const row = cells[table.trueLabel[i] as number] as number[];
    const column = answered[table.trueImage[i] as number] as number;
    row[column] = (row[column] as number) + 1;
  }
  return cells;
}

export interface Outcome {
  found: number;
  missed: number;
  wrong: number;
}

/** How many of each class are found, missed, and shown wrongly. */
export function outcomes(table: Table, thresholds: ArrayLike<number>): Outcome[] {
  const found = Array.from({ length: table.classes }, () => ({ found: 0, missed: 0, wrong: 0 }));
  for (let i = 0; i < table.trueLabel.length; i++)
    (found[table.trueLabel[i] as number] as Outcome).missed += table.trueNumber[i] as number;
  for (let i = 0; i < table.label.length; i++) {
    const label = table.label[i] as number;
    if ((table.score[i] as number) < (thresholds[label] as number)) continue;
    const outcome = found[label] as Outcome;
    if (table.right[i] === 1) {
      outcome.found += 1;
      outcome.missed -= 1;
    } else outcome.wrong += 1;
  }
  return found;
}
