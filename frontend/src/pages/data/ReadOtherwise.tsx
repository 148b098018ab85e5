import { useState } from "react";
import { type Schemas } from "../../api/client";
import { Button, Select, TextField } from "../../components/controls";

export type Reading = Pick<Schemas["ImportRequest"], "exif" | "value_range">;

/** As the data themselves state. */
export const AS_STATED: Reading = { exif: "auto", value_range: "auto" };

const PHOTOS: { id: Reading["exif"]; title: string }[] = [
  { id: "auto", title: "as the annotations state" },
  { id: "annotated-raw", title: "before the rotation" },
  { id: "annotated-upright", title: "after the rotation" },
];

/** How photos with an EXIF rotation and images of more than 8 bits were read, and a way to read them otherwise. */
export function ReadOtherwise({ found, reading, onRead }: {
  found: Schemas["QuickCheck"];
  reading: Reading;
  onRead: (reading: Reading) => void;
}) {
  const [exif, setExif] = useState(reading.exif);
  const [values, setValues] = useState(reading.value_range);
  if (found.turned.length === 0 && found.value_range === null) return null;
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        onRead({ exif, value_range: values.trim() === "" ? "auto" : values });
      }}
    >
      <ul style={{ paddingInlineStart: 20 }}>
        {found.turned.map((note) => (
          <li key={note}>{note}</li>
        ))}
        {found.value_range !== null && <li>Images of more than 8 bits: the values {found.value_range} become black to white.</li>}
      </ul>
      <div className="line" style={{ alignItems: "end" }}>
        {found.turned.length > 0 && <Select label="Turned photos were annotated" value={exif} options={PHOTOS} onChange={(id) => setExif(PHOTOS.find((one) => one.id === id)?.id ?? "auto")} />}
        {found.value_range !== null && <TextField label="Black and white (LOW:HIGH, file or auto)" value={values} onChange={setValues} />}
        <Button kind="quiet" type="submit">
          Read again
        </Button>
      </div>
    </form>
  );
}
