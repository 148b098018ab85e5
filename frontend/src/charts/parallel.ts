// Parallel coordinates: the axes of trials' settings, where a value stands on them, and which trials a brush holds.

export type Setting = string | number | boolean | null | undefined;

export interface TrialPoint {
  trial: number;
  values: Record<string, Setting>;
  score: number;
}

export interface CoordinateAxis {
  name: string;
  /** Height of a value from 0 at the bottom to 1; null for a trial that does not have the setting. */
  height: (value: Setting) => number | null;
  /** Heights with the texts that stand there. */
  ticks: { height: number; text: string }[];
}

/** Parts of axes, by their names: heights from 0 to 1. */
export type Brushes = Record<string, [number, number]>;

const LOG_RATIO = 30; // a positive setting that varies by more has a logarithmic axis

/** A name in at most two lines. */
export function nameLines(name: string, longest = 15): string[] {
  const words = name.replaceAll("_", " ").split(" ");
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && (last.length + word.length < longest || lines.length === 2)) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => (line.length > longest + 1 ? `${line.slice(0, longest)}…` : line));
}

/** A number in a few characters. */
export function shortNumber(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e6 ? String(value) : String(Number(value.toPrecision(3)));
}

/** An axis for the values of a setting. */
export function axisFor(name: string, values: Setting[]): CoordinateAxis {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (known.length > 0 && known.every((value) => typeof value === "number")) return numberAxis(name, known);
  const words = [...new Set(known.map(String))].sort();
  const place = (i: number) => (words.length === 1 ? 0.5 : i / (words.length - 1));
  return {
    name,
    height: (value) => (value === null || value === undefined ? null : place(words.indexOf(String(value)))),
    ticks: words.map((text, i) => ({ height: place(i), text })),
  };
}

function numberAxis(name: string, values: number[]): CoordinateAxis {
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const isLog = low > 0 && high / low > LOG_RATIO;
  const scale = isLog ? Math.log : (value: number) => value;
  const back = isLog ? Math.exp : (value: number) => value;
  const span = scale(high) - scale(low);
  const height = (value: number) => (span === 0 ? 0.5 : (scale(value) - scale(low)) / span);
  const inside = (at: number) => back(scale(low) + at * span);
  const shown = span === 0 ? [low] : [low, inside(1 / 3), inside(2 / 3), high];
  const round = values.every(Number.isInteger) ? [...new Set(shown.map(Math.round))] : shown;
  const ticks = round.map((value) => ({ height: height(value), text: shortNumber(value) }));
  return { name, height: (value) => (typeof value === "number" ? height(value) : null), ticks };
}

/** The axes of trials: every setting that varies, and the metric last. */
export function axesOf(trials: TrialPoint[], metric: string): CoordinateAxis[] {
  const names = [...new Set(trials.flatMap((trial) => Object.keys(trial.values)))];
  const varied = names.filter((name) => new Set(trials.map((trial) => String(trial.values[name]))).size > 1);
  return [...varied.map((name) => axisFor(name, trials.map((trial) => trial.values[name]))), axisFor(metric, trials.map((trial) => trial.score))];
}

/** The heights of a trial on all axes. */
export function heightsOf(trial: TrialPoint, axes: CoordinateAxis[]): (number | null)[] {
  return axes.map((axis, i) => axis.height(i === axes.length - 1 ? trial.score : trial.values[axis.name]));
}

/** Whether a trial passes through all brushes. */
export function isHeld(heights: (number | null)[], axes: CoordinateAxis[], brushes: Brushes): boolean {
  return axes.every((axis, i) => {
    const brush = brushes[axis.name];
    const height = heights[i];
    return brush === undefined || (height !== null && height !== undefined && height >= brush[0] && height <= brush[1]);
  });
}

/** Brushes as a text for the address, such as "learning_rate:0.2-0.5". */
export function brushesText(brushes: Brushes): string | undefined {
  const parts = Object.entries(brushes).map(([name, [low, high]]) => `${name}:${low.toFixed(3)}-${high.toFixed(3)}`);
  return parts.length === 0 ? undefined : parts.join(";");
}

/** Brushes of a text; what cannot be read is left out. */
export function brushesOf(text: string): Brushes {
  const found: Brushes = {};
  for (const part of text.split(";")) {
    const match = /^(.+):([\d.]+)-([\d.]+)$/.exec(part);
    if (match?.[1] === undefined) continue;
    const [low, high] = [Number(match[2]), Number(match[3])];
    if (low <= high) found[match[1]] = [low, high];
  }
  return found;
}

/** A brush after an arrow key: the lower end moves, with `top` the upper one. */
export function movedBrush(brush: [number, number] | undefined, step: number, top: boolean): [number, number] {
  const [low, high] = brush ?? [0, 1];
  const moved = Math.min(1, Math.max(0, (top ? high : low) + step));
  return top ? [Math.min(low, moved), moved] : [moved, Math.max(high, moved)];
}
