// The answers of a model as arrays: what `experiment/decisions.py` calls a decision table.
import type { Schemas } from "../../../api/client";

export type Packed = Schemas["PackedTable"];

export interface Table {
  images: number;
  classes: number;
  rows: Int32Array; // (images,), of the dataset
  image: Uint32Array; // (answers,), ascending
  label: Uint16Array; // (answers,)
  score: Float64Array; // (answers,)
  right: Uint8Array; // (answers,)
  trueImage: Uint32Array; // (truths,), ascending
  trueLabel: Uint16Array; // (truths,)
  trueNumber: Uint16Array; // (truths,)
}

/** A table of the API as arrays. */
export function unpack(packed: Packed, classes: number): Table {
  const answers = new Uint32Array(bytes(packed.answers));
  const label = new Uint16Array(bytes(packed.label));
  const image = new Uint32Array(label.length);
  let at = 0;
  answers.forEach((count, position) => {
    image.fill(position, at, at + count);
    at += count;
  });
  return {
    images: packed.images,
    classes,
    rows: new Int32Array(bytes(packed.rows)),
    image,
    label,
    score: new Float64Array(bytes(packed.score)),
    right: new Uint8Array(bytes(packed.right)),
    trueImage: new Uint32Array(bytes(packed.true_image)),
    trueLabel: new Uint16Array(bytes(packed.true_label)),
    trueNumber: new Uint16Array(bytes(packed.true_number)),
  };
}

function bytes(text: string): ArrayBuffer {
  const binary = atob(text);
  const found = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) found[i] = binary.charCodeAt(i);
  return found.buffer;
}
