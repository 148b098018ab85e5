// A curve as small as a word.
import styles from "./Sparkline.module.css";

const WIDTH = 100;
const HEIGHT = 24;

/** The points of a curve in a box of 100 x 24, the greatest value at the top. */
export function sparkPoints(values: number[], low = Math.min(...values), high = Math.max(...values)): [number, number][] {
  const span = high - low;
  return values.map((value, i) => [
    values.length === 1 ? WIDTH : (i / (values.length - 1)) * WIDTH,
    span > 0 ? HEIGHT - 3 - ((value - low) / span) * (HEIGHT - 6) : HEIGHT / 2,
  ]);
}

/** A curve with a mark at its last value; `label` says it in words. */
export function Sparkline({ values, label, low, high }: { values: number[]; label: string; low?: number; high?: number }) {
  if (values.length === 0) return <span className="muted small">no validation yet</span>;
  const points = sparkPoints(values, low, high);
  const [x, y] = points[points.length - 1] ?? [0, 0];
  return (
    <svg className={styles.spark} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <polyline className={styles.curve} points={points.map((point) => point.join(",")).join(" ")} />
      <line className={styles.end} x1={x} x2={x} y1={y} y2={y} />
    </svg>
  );
}
