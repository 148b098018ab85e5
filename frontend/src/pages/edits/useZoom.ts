// How much an image is enlarged inside its frame, with what is worked on in sight.
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { ZOOMS, zoomFor, type Box, type Size } from "./geometry";

export type Zoom = ReturnType<typeof useZoom>;

/** `start` is the box to begin with, if there is one, and `shown` the one that stays in sight. */
export function useZoom(size: Size, start: Box | null, shown: Box | null) {
  const [zoom, setZoom] = useState(() => (start === null ? 1 : zoomFor(start, size)));
  const frame = useRef<HTMLDivElement>(null);
  const center = useEffectEvent(() => {
    if (frame.current === null) return;
    const [x1, y1, x2, y2] = shown ?? [0, 0, size.width, size.height];
    const { scrollWidth, scrollHeight, clientWidth, clientHeight } = frame.current;
    const left = ((x1 + x2) / 2 / size.width) * scrollWidth - clientWidth / 2;
    frame.current.scrollTo({ left, top: ((y1 + y2) / 2 / size.height) * scrollHeight - clientHeight / 2 });
  });
  useEffect(() => center(), [zoom]);
  const at = ZOOMS.indexOf(zoom);
  return {
    zoom,
    frame,
    closer: ZOOMS[at + 1] === undefined ? null : () => setZoom(ZOOMS[at + 1] ?? 1),
    wider: at <= 0 ? null : () => setZoom(ZOOMS[at - 1] ?? 1),
  };
}
