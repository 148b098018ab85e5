// The image with its boxes, which are drawn, picked, moved and resized by mouse, pen or finger. Keys are the page's.
import { useEffect, useRef, useState, type PointerEvent } from "react";
import { handleAt, handlesOf, hits, isBox, moved, resized, spanned, type Box, type Handle, type Point, type Size } from "./geometry";
import type { Key, Shape } from "./draft";
import styles from "./edits.module.css";

const REACH = { mouse: 8, touch: 22 }; // CSS pixels around a handle
const STILL = 4; // CSS pixels within which a press is a click
const NAMED = 36; // CSS pixels of a box's width from which its class is written at it
const LETTERS = 13; // CSS pixels

type Drag =
  | { kind: "draw"; from: Point }
  | { kind: "move"; from: Point; key: Key; box: Box }
  | { kind: "resize"; from: Point; key: Key; box: Box; handle: Handle }
  | { kind: "tap" };

interface Held {
  drag: Drag;
  start: Point; // in CSS pixels
  moves: boolean;
  box: Box | null; // as it is now
}

export function Canvas({ src, alt, size, shapes, marks, selected, drawing, editable, zoom, onSelect, onDraw, onMove }: {
  src: string;
  alt: string;
  size: Size;
  shapes: Shape[];
  marks: Map<Key, string>;
  selected: Key | null;
  drawing: boolean;
  editable: boolean;
  zoom: number;
  onSelect: (key: Key | null) => void;
  onDraw: (box: Box) => void;
  onMove: (key: Key, box: Box) => void;
}) {
  const svg = useRef<SVGSVGElement>(null);
  const [held, setHeld] = useState<Held | null>(null);
  const [cursor, setCursor] = useState("default");
  const [scale, setScale] = useState(size.width / 800); // pixels of the image for each CSS pixel
  const chosen = shapes.find(({ key }) => key === selected);

  useEffect(() => {
    if (svg.current === null) return;
    const observer = new ResizeObserver(([entry]) => setScale(size.width / Math.max(1, entry?.contentRect.width ?? 1)));
    observer.observe(svg.current);
    return () => observer.disconnect();
  }, [size.width]);
  const pointOf = (event: PointerEvent): Point => {
    const frame = svg.current?.getBoundingClientRect();
    return [(event.clientX - (frame?.left ?? 0)) * scale, (event.clientY - (frame?.top ?? 0)) * scale];
  };
  const meant = (event: PointerEvent, at: Point): Drag => {
    const isFinger = event.pointerType === "touch";
    if (drawing) return { kind: "draw", from: at };
    if (editable && chosen?.box) {
      const handle = handleAt(chosen.box, at, (isFinger ? REACH.touch : REACH.mouse) * scale);
      if (handle !== null) return { kind: "resize", from: at, key: chosen.key, box: chosen.box, handle };
    }
    const found = hits(shapes, at);
    const hit = found.find(({ key }) => key === selected) ?? (isFinger ? undefined : found[0]);
    if (hit?.box && editable) return { kind: "move", from: at, key: hit.key, box: hit.box };
    return found.length > 0 || isFinger || !editable ? { kind: "tap" } : { kind: "draw", from: at };
  };
  const boxOf = (drag: Drag, at: Point): Box | null => {
    if (drag.kind === "tap") return null;
    if (drag.kind === "draw") return spanned(drag.from, at, size);
    const [dx, dy] = [at[0] - drag.from[0], at[1] - drag.from[1]];
    return drag.kind === "move" ? moved(drag.box, dx, dy, size) : resized(drag.box, drag.handle, dx, dy, size);
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0 || !event.isPrimary) return;
    const at = pointOf(event);
    const drag = meant(event, at);
    if (drag.kind !== "tap") svg.current?.setPointerCapture(event.pointerId);
    setHeld({ drag, start: [event.clientX, event.clientY], moves: false, box: null });
  };
  const move = (event: PointerEvent) => {
    const at = pointOf(event);
    if (held === null) {
      const drag = event.pointerType === "touch" ? null : meant(event, at);
      return setCursor(drag === null ? "default" : drag.kind === "resize" ? CURSORS[drag.handle] : KINDS[drag.kind]);
    }
    const moves = held.moves || Math.hypot(event.clientX - held.start[0], event.clientY - held.start[1]) > STILL;
    setHeld({ ...held, moves, box: moves ? boxOf(held.drag, at) : null });
  };
  const up = (event: PointerEvent) => {
    if (held === null) return;
    const at = pointOf(event);
    const { drag, moves } = held;
    setHeld(null);
    if (!moves) {
      if (!drawing) pick(at);
      return;
    }
    const box = boxOf(drag, at);
    if (box === null || drag.kind === "tap") return;
    if (drag.kind !== "draw") {
      onSelect(drag.key);
      onMove(drag.key, box);
    } else if (isBox(box)) onDraw(box);
  };
  /** A click chooses the smallest box below it; another click there the next one. */
  const pick = (at: Point) => {
    const found = hits(shapes, at);
    const next = found[(found.findIndex(({ key }) => key === selected) + 1) % Math.max(1, found.length)];
    onSelect(next?.key ?? null);
  };

  const live = held !== null && held.drag.kind !== "draw" && held.drag.kind !== "tap" && held.box !== null ? { key: held.drag.key, box: held.box } : null;
  const shown = shapes.map((shape) => (live !== null && shape.key === live.key ? { ...shape, box: live.box } : shape));
  const front = live?.key ?? selected;
  const isNamed = ({ key, box }: Shape) => key === front || marks.has(key) || (box !== null && box[2] - box[0] > NAMED * scale);
  return (
    <div className={styles.canvas} style={{ width: `${100 * zoom}%`, aspectRatio: `${size.width} / ${size.height}` }}>
      <img src={src} alt={alt} width={size.width} height={size.height} draggable={false} />
      <svg
        ref={svg}
        viewBox={`0 0 ${size.width} ${size.height}`}
        aria-hidden
        data-testid="canvas"
        style={{ cursor: drawing ? "crosshair" : cursor, touchAction: drawing || (editable && selected !== null) ? "none" : "manipulation" }}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={() => setHeld(null)}
      >
        {shown.map((shape) => (
          <Outline key={shape.key} shape={shape} mark={marks.get(shape.key)} chosen={shape.key === front} />
        ))}
        {held?.drag.kind === "draw" && held.box !== null && <Frame box={held.box} chosen />}
        {shown.filter(isNamed).map((shape) => (
          <Name key={shape.key} shape={shape} mark={marks.get(shape.key)} chosen={shape.key === front} scale={scale} />
        ))}
        {editable && !drawing && <Handles box={shown.find(({ key }) => key === front)?.box ?? null} scale={scale} />}
      </svg>
    </div>
  );
}

function Outline({ shape, mark, chosen }: { shape: Shape; mark: string | undefined; chosen: boolean }) {
  return (
    <g data-chosen={chosen} data-changed={mark !== undefined} data-key={shape.key}>
      {shape.polygons.map((points, i) => (
        <polygon key={i} points={points.join(" ")} />
      ))}
      {shape.box !== null && shape.polygons.length === 0 && <Frame box={shape.box} chosen={chosen} changed={mark !== undefined} />}
    </g>
  );
}

function Frame({ box: [x1, y1, x2, y2], chosen, changed = false }: { box: Box; chosen: boolean; changed?: boolean }) {
  const place = { x: x1, y: y1, width: x2 - x1, height: y2 - y1 };
  return (
    <g data-chosen={chosen} data-changed={changed}>
      <rect {...place} data-under />
      <rect {...place} />
    </g>
  );
}

function Name({ shape: { box, label }, mark, chosen, scale }: { shape: Shape; mark: string | undefined; chosen: boolean; scale: number }) {
  if (box === null) return null;
  const height = LETTERS * scale;
  return (
    <text x={box[0]} y={box[1] > 1.4 * height ? box[1] - 0.4 * height : box[1] + 1.2 * height} fontSize={height} data-chosen={chosen} data-changed={mark !== undefined}>
      {label}
      {mark !== undefined && ` (${mark})`}
    </text>
  );
}

function Handles({ box, scale }: { box: Box | null; scale: number }) {
  if (box === null) return null;
  const side = 9 * scale;
  const isSmall = Math.min(box[2] - box[0], box[3] - box[1]) < 4 * side; // the sides would hide what is inside
  return (
    <g className={styles.handles}>
      {handlesOf(box).filter(({ handle }) => !isSmall || handle.length === 2).map(({ handle, at: [x, y] }) => (
        <rect key={handle} x={x - side / 2} y={y - side / 2} width={side} height={side} />
      ))}
    </g>
  );
}

const KINDS = { draw: "crosshair", move: "move", tap: "default" } as const;
const CURSORS: Record<Handle, string> = {
  nw: "nwse-resize", se: "nwse-resize", ne: "nesw-resize", sw: "nesw-resize",
  n: "ns-resize", s: "ns-resize", e: "ew-resize", w: "ew-resize",
}; // prettier-ignore
