// What can be done to an image as a whole, below it.
import { Button } from "../../components/controls";
import { Hotkeys } from "../../components/Hotkeys";
import type { Hotkey } from "../../components/hotkeys";
import type { ImageDraft } from "./useDraft";
import type { Zoom } from "./useZoom";
import styles from "./edits.module.css";

export function Tools({ edit, zooms, canDraw, hotkeys }: { edit: ImageDraft; zooms: Pick<Zoom, "closer" | "wider">; canDraw: boolean; hotkeys: Hotkey[] }) {
  const { drawing, base, now } = edit;
  return (
    <div className={styles.tools}>
      <span className={styles.buttons}>
        {canDraw && (
          <Button kind={drawing ? "primary" : "plain"} onPress={() => edit.setDrawing(!drawing)} aria-pressed={drawing} aria-keyshortcuts="N">
            Draw a box
          </Button>
        )}
        <Button onPress={edit.undo} isDisabled={edit.steps.length === 0} aria-keyshortcuts="U">
          Undo
        </Button>
        <Button onPress={edit.exclude} isDisabled={base.excluded} aria-pressed={now.excluded} kind={now.excluded ? "primary" : "plain"} aria-keyshortcuts="X">
          {now.excluded ? "Left out" : "Leave out"}
        </Button>
      </span>
      <span className={styles.buttons}>
        <Button onPress={() => zooms.wider?.()} isDisabled={zooms.wider === null} aria-label="show more">
          −
        </Button>
        <Button onPress={() => zooms.closer?.()} isDisabled={zooms.closer === null} aria-label="enlarge">
          +
        </Button>
        <Hotkeys hotkeys={hotkeys} />
      </span>
    </div>
  );
}
