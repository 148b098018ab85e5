import { splitName } from "../../components/format";
import styles from "./trial.module.css";

/** Which images the figures are of. */
export function SplitChoice({ splits, shown, onChoose }: { splits: string[]; shown: string; onChoose: (split: string) => void }) {
  if (splits.length < 2) return null;
  return (
    <div className={styles.segments} role="group" aria-label="images that the figures are of">
      {splits.map((split) => (
        <button key={split} type="button" aria-pressed={split === shown} onClick={() => onChoose(split)}>
          {splitName(split)}
        </button>
      ))}
    </div>
  );
}
