// Parallel coordinates of trials, whose axes can be brushed: one SVG, in the page's own colours.
import { useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { figure } from "../components/format";
import { axesOf, heightsOf, isHeld, movedBrush, nameLines, type Brushes, type CoordinateAxis, type TrialPoint } from "./parallel";
import styles from "./Parallel.module.css";

const HEIGHT = 300;
const TOP = 48;
const GAP = 128; // at least
const LEFT = 18;
const END = 60; // for the words of the last axis
const UNSET = HEIGHT + 20; // where a line passes an axis whose setting the trial does not have

const y = (height: number | null) => (height === null ? TOP + UNSET : TOP + (1 - height) * HEIGHT);

/** A line for each trial through its settings to its score; drag along an axis, or use its arrow keys, to hold some. */
export function Parallel({ trials, metric, lowerIsBetter, brushes, onBrush, onOpen }: {
  trials: TrialPoint[];
  metric: string;
  lowerIsBetter: boolean;
  brushes: Brushes;
  onBrush: (brushes: Brushes) => void;
  onOpen: (trial: number) => void;
}) {
  const axes = useMemo(() => axesOf(trials, metric), [trials, metric]);
  const [pointed, setPointed] = useState<number | null>(null);
  const [place, room] = useWidth();
  const gap = Math.max(GAP, (room - LEFT * 2 - END) / Math.max(1, axes.length - 1));
  const lines = useMemo(() => linesOf(trials, axes, lowerIsBetter, gap), [trials, axes, lowerIsBetter, gap]);
  const width = LEFT * 2 + gap * (axes.length - 1) + END;
  const change = (name: string, brush: [number, number] | undefined) => {
    const others = Object.fromEntries(Object.entries(brushes).filter(([other]) => other !== name));
    onBrush(brush === undefined || (brush[0] <= 0 && brush[1] >= 1) ? others : { ...others, [name]: brush });
  };
  return (
    <div className="scrolls" ref={place}>
      <svg className={styles.parallel} width={width} height={TOP + HEIGHT + 44} role="group" aria-label={`settings of ${trials.length} trials and their ${metric}`}>
        <g aria-hidden>
          {lines.map(({ trial, heights, path, rank }) => (
            <path
              key={trial.trial}
              className={styles.line}
              d={path}
              data-held={isHeld(heights, axes, brushes)}
              data-rank={rank}
              data-pointed={pointed === trial.trial}
              onPointerEnter={() => setPointed(trial.trial)}
              onPointerLeave={() => setPointed(null)}
              onClick={() => onOpen(trial.trial)}
            >
              <title>{`trial ${trial.trial}: ${figure(trial.score, 4)}`}</title>
            </path>
          ))}
        </g>
        {axes.map((axis, i) => (
          <AxisBrush key={axis.name} axis={axis} x={LEFT + i * gap} brush={brushes[axis.name]} onChange={(brush) => change(axis.name, brush)} />
        ))}
      </svg>
    </div>
  );
}

/** Lines with the best ones last, so that they lie above; a line's rank is 1 to 5, the best 5. */
function linesOf(trials: TrialPoint[], axes: CoordinateAxis[], lowerIsBetter: boolean, gap: number) {
  const ordered = [...trials].sort((a, b) => (lowerIsBetter ? b.score - a.score : a.score - b.score));
  return ordered.map((trial, place) => {
    const heights = heightsOf(trial, axes);
    const path = heights.map((height, i) => `${i === 0 ? "M" : "L"}${LEFT + i * gap} ${y(height).toFixed(1)}`).join("");
    return { trial, heights, path, rank: Math.min(5, 1 + Math.floor((5 * place) / ordered.length)) };
  });
}

/** The width of an element, in pixels. */
function useWidth() {
  const place = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = place.current;
    if (element === null) return;
    const measure = () => setWidth(element.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [place, width] as const;
}

function AxisBrush({ axis, x, brush, onChange }: {
  axis: CoordinateAxis;
  x: number;
  brush: [number, number] | undefined;
  onChange: (brush: [number, number] | undefined) => void;
}) {
  const start = useRef<number | null>(null);
  const heightAt = (event: PointerEvent<SVGRectElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, 1 - (event.clientY - box.top - 10) / (box.height - 20)));
  };
  const drag = (event: PointerEvent<SVGRectElement>) => {
    if (start.current === null) return;
    const now = heightAt(event);
    onChange([Math.min(start.current, now), Math.max(start.current, now)]);
  };
  const key = (event: KeyboardEvent) => {
    const step = { ArrowUp: 0.05, ArrowDown: -0.05 }[event.key];
    if (step !== undefined) onChange(movedBrush(brush, step, event.shiftKey));
    else if (event.key === "Escape") onChange(undefined);
    else return;
    event.preventDefault();
  };
  const percent = (height: number) => `${Math.round(height * 100)} %`;
  const said = brush === undefined ? "all" : `${percent(brush[0])} to ${percent(brush[1])} of its height`;
  return (
    <g transform={`translate(${x} 0)`}>
      <text className={styles.name}>
        {nameLines(axis.name).map((line, i) => (
          <tspan key={i} x={0} y={14 + 15 * i}>{line}</tspan>
        ))}
      </text>
      <line className={styles.axis} y1={TOP} y2={TOP + HEIGHT} />
      {brush !== undefined && (
        <rect className={styles.brush} x={-8} width={16} y={y(brush[1])} height={Math.max(2, y(brush[0]) - y(brush[1]))} rx={3} />
      )}
      {axis.ticks.map((tick) => (
        <text key={tick.text} className={styles.tick} x={6} y={y(tick.height) + 4}>{tick.text}</text>
      ))}
      <rect
        className={styles.catch}
        x={-14}
        width={28}
        y={TOP - 10}
        height={HEIGHT + 20}
        tabIndex={0}
        role="slider"
        aria-orientation="vertical"
        aria-label={`${axis.name}; arrow keys move the lower end, with Shift the upper one, Escape takes the brush away`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round((brush?.[0] ?? 0) * 100)}
        aria-valuetext={said}
        onKeyDown={key}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          start.current = heightAt(event);
        }}
        onPointerMove={drag}
        onPointerUp={(event) => {
          if (start.current !== null && Math.abs(heightAt(event) - start.current) < 0.01) onChange(undefined);
          start.current = null;
        }}
      />
    </g>
  );
}
