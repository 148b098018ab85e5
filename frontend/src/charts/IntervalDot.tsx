// A dot with its interval on an axis that all rows of a board share: SVG, so that it moves at once.
import type { MetricInterval } from "../components/format";
import { interval } from "../components/format";
import styles from "./IntervalDot.module.css";

export interface Axis {
  low: number;
  high: number;
}

/** An axis that holds all intervals, with a little room at both ends. */
export function axisOf(found: (MetricInterval | null | undefined)[]): Axis {
  const known = found.filter((one): one is MetricInterval => one !== null && one !== undefined);
  if (known.length === 0) return { low: 0, high: 1 };
  const low = Math.min(...known.map((one) => one.low ?? one.value));
  const high = Math.max(...known.map((one) => one.high ?? one.value));
  const room = (high - low) * 0.06 || 0.01;
  return { low: low - room, high: high + room };
}

const WIDTH = 200;

/** One row's dot and interval. */
export function IntervalDot({ found, axis, emphasis = "plain", reference }: {
  found: MetricInterval | null | undefined;
  axis: Axis;
  emphasis?: "plain" | "best" | "tied" | "recommended";
  reference?: number | undefined;
}) {
  if (found === null || found === undefined) return null;
  const x = (value: number) => ((value - axis.low) / (axis.high - axis.low)) * WIDTH;
  return (
    <svg className={styles.dot} viewBox={`0 0 ${WIDTH} 16`} preserveAspectRatio="none" role="img" aria-label={interval(found)} data-emphasis={emphasis}>
      {reference !== undefined && <line className={styles.reference} x1={x(reference)} x2={x(reference)} y1={0} y2={16} />}
      <line className={styles.bar} x1={x(found.low ?? found.value)} x2={x(found.high ?? found.value)} y1={8} y2={8} />
      <line className={styles.point} x1={x(found.value)} x2={x(found.value)} y1={8} y2={8} />
    </svg>
  );
}
