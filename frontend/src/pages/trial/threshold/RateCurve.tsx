// Precision and recall by threshold, as lines that can be dragged along: SVG, so that it moves at once.
import { useMemo, type PointerEvent } from "react";
import { curveOf } from "./choose";
import type { Table } from "./tables";
import styles from "./threshold.module.css";

const WIDTH = 600;
const HEIGHT = 200;
const POINTS = 300;

export function RateCurve({ table, only, threshold, onMove }: {
  table: Table;
  only: number | null;
  threshold: number | null;
  onMove: (threshold: number, done: boolean) => void;
}) {
  const lines = useMemo(() => {
    const curve = curveOf(table, only);
    const step = Math.max(1, Math.floor(curve.thresholds.length / POINTS));
    const precision: string[] = [];
    const recall: string[] = [];
    for (let i = 0; i < curve.thresholds.length; i += step) {
      const x = ((curve.thresholds[i] as number) * WIDTH).toFixed(1);
      const y = (share: number) => ((1 - share) * HEIGHT).toFixed(1);
      precision.push(`${x},${y((curve.right[i] as number) / (curve.shown[i] as number))}`);
      recall.push(`${x},${y(curve.positives > 0 ? (curve.right[i] as number) / curve.positives : 0)}`);
    }
    return { precision: precision.length > 0 ? `M${precision.join("L")}` : "", recall: recall.length > 0 ? `M${recall.join("L")}` : "" };
  }, [table, only]);
  const move = (event: PointerEvent<SVGSVGElement>, done: boolean) => {
    const place = event.currentTarget.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - place.left) / place.width));
    onMove(Math.round(share * 200) / 200, done);
  };
  return (
    <figure>
      <div className={styles.legend} aria-hidden>
        <span>precision</span>
        <span data-dashed>recall</span>
      </div>
      <div className={styles.plot}>
        <div className={styles.shares} aria-hidden>
          {[1, 0.75, 0.5, 0.25, 0].map((share) => (
            <span key={share}>{share}</span>
          ))}
        </div>
      <svg
        className={styles.curve}
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label="Precision and recall by threshold; the slider above moves the line"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          move(event, false);
        }}
        onPointerMove={(event) => {
          if (event.buttons === 1) move(event, false);
        }}
        onPointerUp={(event) => move(event, true)}
      >
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <line key={share} className={styles.grid} x1={0} x2={WIDTH} y1={share * HEIGHT} y2={share * HEIGHT} />
        ))}
        <path className={styles.precision} d={lines.precision} />
        <path className={styles.recall} d={lines.recall} />
        {threshold !== null && <line className={styles.now} x1={threshold * WIDTH} x2={threshold * WIDTH} y1={0} y2={HEIGHT} />}
      </svg>
      </div>
      <div className={styles.axis} aria-hidden>
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <span key={share}>{share}</span>
        ))}
      </div>
    </figure>
  );
}
