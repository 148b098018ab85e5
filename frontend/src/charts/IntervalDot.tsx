// Dots with their intervals on an axis that all rows of a board share: SVG, so that they move at once.
import type { MetricInterval } from "../components/format";
import { figure, interval } from "../components/format";
import styles from "./IntervalDot.module.css";

export interface Axis {
  low: number;
  high: number;
}

type Found = MetricInterval | null | undefined;

/** An axis that holds all intervals, with a little room at both ends. */
export function axisOf(found: Found[]): Axis {
  let low = Infinity;
  let high = -Infinity;
  for (const one of found) {
    if (one === null || one === undefined) continue;
    low = Math.min(low, one.low ?? one.value);
    high = Math.max(high, one.high ?? one.value);
  }
  if (low > high) return { low: 0, high: 1 };
  const room = (high - low) * 0.06 || 0.01;
  return { low: low - room, high: high + room };
}

/** Round values within an axis, at most four. */
export function ticksOf({ low, high }: Axis): number[] {
  const rough = (high - low) / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough;
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step); i * step <= high; i += 1) ticks.push(i * step);
  return ticks;
}

const WIDTH = 200;
const place = (axis: Axis, value: number) => ((value - axis.low) / (axis.high - axis.low)) * WIDTH;

/** One row: a filled round mark for the validation images, a hollow square one below it for the test images. */
export function IntervalDot({ found, test, axis, emphasis = "plain", reference }: {
  found: Found;
  test?: Found;
  axis: Axis;
  emphasis?: "plain" | "best" | "tied" | "recommended";
  reference?: number | undefined;
}) {
  if (found === null || found === undefined) return null;
  const both = test !== null && test !== undefined;
  const x = (value: number) => place(axis, value);
  const label = both ? `validation ${interval(found)}, test ${interval(test)}` : interval(found);
  return (
    <svg className={styles.dot} viewBox={`0 0 ${WIDTH} 24`} preserveAspectRatio="none" role="img" aria-label={label} data-emphasis={emphasis}>
      {reference !== undefined && <line className={styles.reference} x1={x(reference)} x2={x(reference)} y1={0} y2={24} />}
      <Bar found={found} x={x} y={both ? 8 : 12} />
      <line className={styles.point} x1={x(found.value)} x2={x(found.value)} y1={both ? 8 : 12} y2={both ? 8 : 12} />
      {both && (
        <g className={styles.test}>
          <Bar found={test} x={x} y={17} />
          <line className={styles.square} x1={x(test.value)} x2={x(test.value)} y1={17} y2={17} />
          <line className={styles.hollow} x1={x(test.value)} x2={x(test.value)} y1={17} y2={17} />
        </g>
      )}
    </svg>
  );
}

function Bar({ found, x, y }: { found: MetricInterval; x: (value: number) => number; y: number }) {
  return <line className={styles.bar} x1={x(found.low ?? found.value)} x2={x(found.high ?? found.value)} y1={y} y2={y} />;
}

/** The values of an axis, over the dots of a board. */
export function AxisTicks({ axis }: { axis: Axis }) {
  const ticks = ticksOf(axis);
  const step = ticks.length > 1 ? (ticks[1] ?? 1) - (ticks[0] ?? 0) : 1;
  const digits = Math.min(4, Math.max(0, Math.ceil(-Math.log10(step))));
  return (
    <span className={styles.ticks} aria-hidden>
      {ticks.map((tick) => (
        <span key={tick} style={{ left: `${(place(axis, tick) / WIDTH) * 100}%` }}>
          {figure(tick, digits)}
        </span>
      ))}
    </span>
  );
}
