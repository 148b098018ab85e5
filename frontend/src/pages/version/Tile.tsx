import type { Schemas } from "../../api/client";
import { pixelsOf, type DataImage } from "./images";
import styles from "./version.module.css";

/** An image in its frame with all of its objects as one line drawing: few nodes, so that thousands scroll. */
export function Tile({ name, number, image, onOpen, caption, marked, side = 256 }: {
  name: string;
  number: number;
  image: DataImage | undefined;
  onOpen?: (row: number) => void;
  caption?: string;
  marked?: number | null;
  side?: number;
}) {
  if (image === undefined) return <div className={styles.tile} aria-busy />;
  const said = caption ?? captionOf(image);
  const inner = (
    <>
      <img src={pixelsOf(name, number, image, side)} alt={`${image.image}: ${said}`} loading="lazy" decoding="async" />
      {image.objects.length > 0 && (
        <svg viewBox={`0 0 ${image.width} ${image.height}`} aria-hidden>
          <path d={outline(image.objects)} data-under />
          <path d={outline(image.objects.filter(({ index }) => index !== marked))} />
          {marked !== null && marked !== undefined && (
            <path d={outline(image.objects.filter(({ index }) => index === marked))} data-marked />
          )}
        </svg>
      )}
      <span>{said}</span>
    </>
  );
  if (onOpen === undefined) return <div className={styles.tile}>{inner}</div>;
  return (
    <button type="button" className={styles.tile} onClick={() => onOpen(image.row)}>
      {inner}
    </button>
  );
}

function captionOf(image: DataImage): string {
  if (image.labels.length === 0) return "no label";
  const counts = new Map<string, number>();
  for (const { label } of image.objects) counts.set(label, (counts.get(label) ?? 0) + 1);
  return image.labels.map((label) => (counts.has(label) ? `${counts.get(label)} ${label}` : label)).join(", ");
}

/** All boxes and polygons as one path. */
export function outline(objects: Schemas["LabelledObject"][]): string {
  return objects
    .map(({ box, polygons }) => {
      if (polygons.length > 0) return polygons.map((points) => `M${points.join(" ")}Z`).join("");
      return box === null ? "" : `M${box[0]} ${box[1]}H${box[2]}V${box[3]}H${box[0]}Z`;
    })
    .join("");
}
