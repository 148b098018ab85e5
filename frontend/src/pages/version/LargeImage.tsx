import { useEffect } from "react";
import { Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { $api, type Schemas } from "../../api/client";
import { Button, ButtonLink, Tag } from "../../components/controls";
import { splitName } from "../../components/format";
import { Picture, type Drawn } from "../../components/Picture";
import { Answer } from "../../components/states";
import { pixelsOf } from "./images";
import styles from "./version.module.css";

/** One image as large as the window allows, with all that is known of it; the arrow keys go on to its neighbours. */
export function LargeImage({ name, number, row, position, labelsObjects, onClose, onStep }: {
  name: string;
  number: number;
  row: number;
  position: number | undefined; // in the gallery, if that is known
  labelsObjects: boolean;
  onClose: () => void;
  onStep: (step: number) => void;
}) {
  const query = $api.useQuery("get", "/api/v1/datasets/{name}/versions/{number}/images/{row}", {
    params: { path: { name, number, row } },
  });
  useEffect(() => {
    const go = (event: KeyboardEvent) => {
      if (event.key === "ArrowRight") onStep(1);
      if (event.key === "ArrowLeft") onStep(-1);
    };
    window.addEventListener("keydown", go);
    return () => window.removeEventListener("keydown", go);
  });
  return (
    <Wide title={query.data?.image ?? `image ${row}`} onClose={onClose}>
      <Answer query={query}>{(image) => <Known name={name} number={number} image={image} labelsObjects={labelsObjects} />}</Answer>
      <div className="line spread">
        <span className="line">
          <Button onPress={() => onStep(-1)}>← Previous</Button>
          <Button onPress={() => onStep(1)}>Next →</Button>
        </span>
        <span className="line">
          {number > 0 && (
            <ButtonLink
              to="/data/$name/$version/edit"
              params={{ name, version: String(number) }}
              search={(old) => ({ ...old, image: undefined, tab: undefined, row, at: position })}
            >
              Fix by hand
            </ButtonLink>
          )}
          <Button onPress={onClose}>Close</Button>
        </span>
      </div>
    </Wide>
  );
}

/** A dialog as wide as the window allows. */
function Wide({ title, onClose, children }: { title: string; onClose: () => void; children: React.ReactNode }) {
  return (
    <ModalOverlay className={styles.overlay ?? ""} isOpen onOpenChange={(open) => !open && onClose()} isDismissable>
      <Modal className={styles.wide ?? ""}>
        <Dialog className="stack">
          <Heading slot="title">{title}</Heading>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

function Known({ name, number, image, labelsObjects }: {
  name: string;
  number: number;
  image: Schemas["DataImageDetails"];
  labelsObjects: boolean;
}) {
  const drawn = image.objects.flatMap(({ label, box, polygons }) =>
    box === null ? [] : [{ label, box: box as Drawn["box"], polygons, predicted: false }],
  );
  return (
    <div className={styles.large}>
      <div className={styles.frame}>
        <Picture
          src={pixelsOf(name, number, image, 1024)}
          width={image.width}
          height={image.height}
          alt={image.labels.join(", ") || "no label"}
          objects={drawn}
          labels={drawn.length <= 30}
        />
      </div>
      <dl className={styles.facts}>
        <dt>{labelsObjects ? "Objects" : "Labels"}</dt>
        <dd>{labelsObjects ? image.objects_total : image.labels.join(", ") || "none"}</dd>
        {labelsObjects && (
          <>
            <dt>Classes</dt>
            <dd>{image.labels.join(", ") || "none"}</dd>
          </>
        )}
        <dt>Split</dt>
        <dd>{image.split === "" ? "none" : splitName(image.split)}</dd>
        <dt>Size</dt>
        <dd className="numbers">
          {image.width} × {image.height}
        </dd>
        {Object.entries(image.columns).map(([column, value]) => (
          <Pair key={column} name={column} value={value === null ? "–" : String(value)} />
        ))}
        <dt>File</dt>
        <dd className="small">{image.location}</dd>
        {image.findings.map((found) => (
          <Pair key={found.check} name={found.check} value={<><Tag tone={found.severity === "error" ? "error" : "warning"}>{found.severity}</Tag> {found.note || found.title}</>} />
        ))}
      </dl>
    </div>
  );
}

function Pair({ name, value }: { name: string; value: React.ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}
