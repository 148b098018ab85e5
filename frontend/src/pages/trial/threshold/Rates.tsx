// Precision, recall and the share of answered images, each with its interval, beside those of the model itself.
import type { Schemas } from "../../../api/client";
import type { Measured, Rate } from "./measure";
import styles from "./threshold.module.css";

type Kind = Schemas["ThresholdTables"]["kind"];

export function Rates({ measured, before, kind }: { measured: Measured; before: Measured; kind: Kind }) {
  const one = kind === "label";
  return (
    <div className={styles.rates} aria-live="polite">
      <Shown title="Precision" note={`${measured.right} of ${measured.shown} ${one ? "answers" : "shown"} are right`} rate={measured.precision} before={before.precision} />
      <Shown title="Recall" note={`${measured.right} of ${measured.positives} are found`} rate={measured.recall} before={before.recall} />
      <Shown title={one ? "Answered" : "Images with an answer"} note={one ? "the rest is left to a person" : "images in which anything is shown"} rate={measured.answered} before={before.answered} />
    </div>
  );
}

function Shown({ title, note, rate, before }: { title: string; note: string; rate: Rate; before: Rate }) {
  const known = !Number.isNaN(rate.value);
  const percent = (value: number) => `${100 * value}%`;
  return (
    <div className={styles.rate}>
      <span className="muted small">{title}</span>
      <b>
        {known ? rate.value.toFixed(4) : "–"}
        {known && (
          <small>
            [{rate.low.toFixed(4)}, {rate.high.toFixed(4)}]
          </small>
        )}
      </b>
      <span className={styles.track} aria-hidden>
        {!Number.isNaN(before.value) && <u style={{ left: percent(before.value) }} />}
        {known && <i style={{ left: percent(rate.low), width: percent(rate.high - rate.low) }} />}
        {known && <b style={{ left: percent(rate.value) }} />}
      </span>
      <span className="muted small">
        {note}; with the model's own threshold {Number.isNaN(before.value) ? "–" : before.value.toFixed(4)}
      </span>
    </div>
  );
}
