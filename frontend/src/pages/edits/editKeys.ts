// The keys of the editor.
import type { Hotkey } from "../../components/hotkeys";
import type { Schemas } from "../../api/client";
import { MOVES, type ImageDraft } from "./useDraft";

export function editKeys({ kind, edit, zooms, save, onStep }: {
  kind: Schemas["EditDraft"]["kind"];
  edit: ImageDraft;
  zooms: { closer: (() => void) | null; wider: (() => void) | null };
  save: () => void;
  onStep: ((step: number) => void) | null;
}): Hotkey[] {
  const { chosen } = edit;
  const noun = kind === "masks" ? "mask" : "box";
  const ofBoxes: Hotkey[] = [
    { keys: ["n"], title: "Draw a box: drag over the image", run: () => edit.setDrawing(!edit.drawing) },
    { keys: ["b"], title: "Put a box in the middle, to move it with the arrow keys", run: edit.drawMiddle },
  ];
  const ofObjects: Hotkey[] = [
    { keys: ["."], title: `Next ${noun}`, run: () => edit.another(1) },
    { keys: [","], title: `The ${noun} before`, run: () => edit.another(-1) },
    { keys: ["Delete", "Backspace", "d"], title: `Delete the chosen ${noun}`, run: () => chosen !== undefined && edit.remove(chosen.key) },
  ];
  const moves: Hotkey[] = [{ keys: MOVES, title: "Move the chosen box, with Shift its bottom right corner", run: edit.nudge }];
  const steps: Hotkey[] = [
    { keys: ["ArrowRight"], title: "Next image; with a chosen box the arrow keys move it", run: () => onStep?.(1) },
    { keys: ["ArrowLeft"], title: "Image before", run: () => onStep?.(-1) },
  ];
  return [
    ...edit.classes.slice(0, 9).map((name, i) => ({ keys: [String(i + 1)], title: name, run: () => edit.choose(name) })),
    ...(kind === "boxes" ? ofBoxes : []),
    ...(kind === "boxes" || kind === "masks" ? ofObjects : []),
    ...(kind === "boxes" && chosen !== undefined ? moves : onStep === null ? [] : steps),
    { keys: ["x"], title: "Leave the image out", run: edit.exclude },
    { keys: ["u"], title: "Undo the last step", run: edit.undo },
    { keys: ["s"], title: "Save the changes", run: save },
    { keys: ["+"], title: "Enlarge", run: () => zooms.closer?.() },
    { keys: ["-"], title: "Show more", run: () => zooms.wider?.() },
    {
      keys: ["Escape"],
      title: "Choose nothing, draw nothing",
      run: () => {
        edit.select(null);
        edit.setDrawing(false);
      },
    },
  ];
}
