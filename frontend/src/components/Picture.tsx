// An image with objects drawn over it: truth solid, predictions dashed, so that neither depends on colour.
import type { ReactNode } from "react";
import styles from "./Picture.module.css";

export interface Drawn {
  label: string;
  box: [number, number, number, number]; // x1, y1, x2, y2 in pixels of the image
  polygons?: number[][]; // each x1, y1, x2, y2, ... in pixels
  score?: number | null;
  predicted: boolean;
  wrong?: boolean;
}

/** An image of known size with its objects. */
export function Picture({ src, width, height, alt, objects = [], labels = true, children }: {
  src: string;
  width: number;
  height: number;
  alt: string;
  objects?: Drawn[];
  labels?: boolean;
  children?: ReactNode;
}) {
  const unit = Math.max(width, height) / 100;
  const isHere = src.startsWith("blob:"); // frames of a camera would flicker if each was decoded after it was shown
  return (
    <div className={styles.picture} style={{ aspectRatio: `${width} / ${height}` }}>
      <img src={src} alt={alt} loading={isHere ? "eager" : "lazy"} decoding={isHere ? "sync" : "async"} width={width} height={height} />
      {objects.length > 0 && (
        <svg viewBox={`0 0 ${width} ${height}`} aria-hidden>
          {objects.map((found, i) => (
            <g key={i} data-predicted={found.predicted} data-wrong={found.wrong ?? false}>
              {found.polygons?.map((points, k) => <polygon key={k} points={points.join(" ")} />)}
              <rect x={found.box[0]} y={found.box[1]} width={found.box[2] - found.box[0]} height={found.box[3] - found.box[1]} />
            </g>
          ))}
          {labels &&
            objects.map((found, i) => (
              <g key={i} data-predicted={found.predicted}>
                <text x={found.box[0]} y={Math.max(found.box[1] - 0.6 * unit, 2.2 * unit)} fontSize={2.2 * unit}>
                  {found.label}
                  {found.score !== null && found.score !== undefined && ` ${Math.round(found.score * 100)} %`}
                </text>
              </g>
            ))}
        </svg>
      )}
      {children}
    </div>
  );
}
