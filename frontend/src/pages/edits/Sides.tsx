// An image before and after its edits, side by side; where the changes are small, enlarged around them.
import type { Schemas } from "../../api/client";
import { pixelsOf } from "../version/images";
import { labelledOf, marksOf, type Key, type Labelled, type Place, type Shape } from "./draft";
import { focusOf, type Box } from "./geometry";
import styles from "./edits.module.css";

export function Sides({ place, image }: { place: Place; image: Schemas["ImageEdits"] }) {
  const [before, after] = [labelledOf(image.before), labelledOf(image.after)];
  const marks = marksOf(before, after);
  const changed = [...before.shapes, ...after.shapes].filter(({ key, box }) => marks.has(key) && box !== null);
  const view = focusOf(changed.map(({ box }) => box as Box), image);
  const noun = image.before.objects.length + image.after.objects.length > 0;
  return (
    <div className={styles.pair}>
      <Side title="Before" said={saidOf(before, noun)} place={place} image={image} labelled={before} marks={marks} view={view} />
      <Side title="After" said={saidOf(after, noun)} place={place} image={image} labelled={after} marks={marks} view={view} />
    </div>
  );
}

function Side({ title, said, place, image, labelled, marks, view }: {
  title: string;
  said: string;
  place: Place;
  image: Schemas["ImageEdits"];
  labelled: Labelled;
  marks: Map<Key, string>;
  view: Box;
}) {
  const [x1, y1, x2, y2] = view;
  const isPart = x2 - x1 < image.width || y2 - y1 < image.height;
  const marked = labelled.shapes.filter(({ key }) => marks.has(key));
  return (
    <figure className={styles.picture} data-excluded={labelled.excluded}>
      <svg viewBox={`${x1} ${y1} ${x2 - x1} ${y2 - y1}`} role="img" aria-label={`${title}, ${image.image}: ${said}`}>
        <image href={pixelsOf(place.name, place.number, image, isPart ? 1280 : 512)} width={image.width} height={image.height} />
        <path d={outline(labelled.shapes)} data-under />
        <path d={outline(labelled.shapes.filter(({ key }) => !marks.has(key)))} />
        <path d={outline(marked)} data-marked />
      </svg>
      <figcaption>
        <span className="muted">{title}:</span> {said}
        {isPart && <span className="muted"> (enlarged)</span>}
      </figcaption>
    </figure>
  );
}

function saidOf({ labels, shapes, excluded }: Labelled, hasObjects: boolean): string {
  const counts = new Map<string, number>();
  for (const { label } of shapes) counts.set(label, (counts.get(label) ?? 0) + 1);
  const words = hasObjects ? [...counts].map(([label, n]) => `${n} ${label}`) : labels;
  const said = words.join(", ") || (hasObjects ? "nothing" : "no label");
  return excluded ? `${said}, left out` : said;
}

function outline(shapes: Shape[]): string {
  return shapes
    .map(({ box, polygons }) => {
      if (polygons.length > 0) return polygons.map((points) => `M${points.join(" ")}Z`).join("");
      return box === null ? "" : `M${box[0]} ${box[1]}H${box[2]}V${box[3]}H${box[0]}Z`;
    })
    .join("");
}
