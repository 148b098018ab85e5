// What is wanted: a threshold, a precision, a recall, the least cost or the best F1, for all classes or for one.
import { Select } from "../../../components/controls";
import pageStyles from "../trial.module.css";
import styles from "./threshold.module.css";

export interface Wish {
  by: "threshold" | "precision" | "recall" | "cost" | "f1";
  threshold: number;
  share: number;
  cautious: boolean;
  false: number;
  missed: number;
  only: number | null; // position of a class; null for all
}

const WAYS: { id: Wish["by"]; title: string }[] = [
  { id: "threshold", title: "Threshold" },
  { id: "precision", title: "Precision" },
  { id: "recall", title: "Recall" },
  { id: "cost", title: "Cost" },
  { id: "f1", title: "Best F1" },
];
const MOST_SEGMENTS = 5;

export function Controls({ wish, classes, chosen, onChange }: {
  wish: Wish;
  classes: string[];
  chosen: number | null;
  onChange: (changes: Partial<Wish>, done: boolean) => void;
}) {
  const options = [{ id: "", title: "all classes" }, ...classes.map((name, i) => ({ id: String(i), title: name }))];
  return (
    <div className={styles.controls}>
      <div className={pageStyles.segments} role="group" aria-label="choose by">
        {WAYS.map(({ id, title }) => (
          <button
            key={id}
            type="button"
            aria-pressed={wish.by === id}
            onClick={() => onChange(id === "threshold" && chosen !== null ? { by: id, threshold: chosen } : { by: id }, true)}
          >
            {title}
          </button>
        ))}
      </div>
      <Amount wish={wish} onChange={onChange} />
      <div className={styles.of}>
        {classes.length + 1 > MOST_SEGMENTS ? (
          <Select label="For" options={options} value={wish.only === null ? "" : String(wish.only)} onChange={(id) => onChange({ only: id === "" ? null : Number(id) }, true)} />
        ) : (
          <div className={pageStyles.segments} role="group" aria-label="for which classes">
            {options.map(({ id, title }) => (
              <button key={id} type="button" aria-pressed={(wish.only === null ? "" : String(wish.only)) === id} onClick={() => onChange({ only: id === "" ? null : Number(id) }, true)}>
                {title}
              </button>
            ))}
          </div>
        )}
      </div>
    </div>
  );
}

function Amount({ wish, onChange }: { wish: Wish; onChange: (changes: Partial<Wish>, done: boolean) => void }) {
  if (wish.by === "f1") return <p className="muted small">The highest harmonic mean of precision and recall.</p>;
  if (wish.by === "cost")
    return (
      <div className="line">
        <Cost label="a wrong answer costs" value={wish.false} onChange={(value, done) => onChange({ false: value }, done)} />
        <Cost label="a missed one costs" value={wish.missed} onChange={(value, done) => onChange({ missed: value }, done)} />
      </div>
    );
  if (wish.by === "threshold")
    return <Range label="threshold" value={wish.threshold} low={0} step={0.005} digits={3} onChange={(value, done) => onChange({ threshold: value }, done)} />;
  return (
    <>
      <Range label={`${wish.by} of at least`} value={wish.share} low={0.01} step={0.01} digits={2} onChange={(value, done) => onChange({ share: value }, done)} />
      <label className="line small">
        <input type="checkbox" checked={wish.cautious} onChange={(event) => onChange({ cautious: event.target.checked }, true)} />
        the lower end of its interval, too
      </label>
    </>
  );
}

function Range({ label, value, low, step, digits, onChange }: {
  label: string;
  value: number;
  low: number;
  step: number;
  digits: number;
  onChange: (value: number, done: boolean) => void;
}) {
  return (
    <label className={styles.range}>
      <span>{label}</span>
      <input
        type="range"
        min={low}
        max={1}
        step={step}
        value={value}
        onChange={(event) => onChange(Number(event.target.value), false)}
        onPointerUp={(event) => onChange(Number(event.currentTarget.value), true)}
        onKeyUp={(event) => onChange(Number(event.currentTarget.value), true)}
      />
      <output className="numbers">{value.toFixed(digits)}</output>
    </label>
  );
}

function Cost({ label, value, onChange }: { label: string; value: number; onChange: (value: number, done: boolean) => void }) {
  return (
    <label className="line small">
      {label}
      <input
        className={styles.number}
        type="number"
        min={0}
        max={10_000}
        step="any"
        value={value}
        onChange={(event) => {
          const found = Number(event.target.value);
          if (Number.isFinite(found) && found >= 0) onChange(found, true);
        }}
      />
    </label>
  );
}
