// Who changes an image and why, and what saves it.
import { Button, TextField } from "../../components/controls";
import { count } from "../../components/format";
import { Problem } from "../../components/states";
import styles from "./edits.module.css";

export function SaveForm({ changes, reason, onReason, person, onPerson, canSave, isSaved, error, onSave, onStep }: {
  changes: number;
  reason: string;
  onReason: (text: string) => void;
  person: string;
  onPerson: (name: string) => void;
  canSave: boolean;
  isSaved: boolean;
  error: unknown;
  onSave: (goOn: boolean) => void;
  onStep: ((step: number) => void) | null;
}) {
  return (
    <form
      className={styles.save}
      onSubmit={(event) => {
        event.preventDefault();
        onSave(false);
      }}
    >
      <TextField label="Reason" value={reason} onChange={onReason} placeholder="such as: no helmet on it" isRequired />
      <TextField label="Your name" value={person} onChange={onPerson} isRequired />
      {error !== null && <Problem error={error} refused="This cannot be saved" />}
      <div className={styles.buttons}>
        <Button type="submit" kind="primary" isDisabled={!canSave} aria-keyshortcuts="S">
          {changes === 0 ? "Nothing to save" : `Save ${count(changes, "change")}`}
        </Button>
        {onStep !== null && (
          <Button onPress={() => (changes === 0 ? onStep(1) : onSave(true))} isDisabled={changes > 0 && !canSave}>
            {changes === 0 ? "Next image" : "Save, next image"}
          </Button>
        )}
      </div>
      <p className="small muted">{hintOf(changes, reason, isSaved)}</p>
    </form>
  );
}

function hintOf(changes: number, reason: string, isSaved: boolean): string {
  if (changes > 0 && reason.trim() === "") return "Give a reason to save. Until then the changes are kept in this browser.";
  if (changes > 0) return "Kept in this browser until you save; a reload loses nothing.";
  if (isSaved) return "Saved. It counts once it is reviewed.";
  return "Saved changes wait for a review, then make the next version. This version stays as it is.";
}
