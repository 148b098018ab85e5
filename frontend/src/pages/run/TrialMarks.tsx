// What is known of a trial beside the others, in words, each with a shape of its own.
import type { Schemas } from "../../api/client";
import styles from "./Board.module.css";

export type Mark = "recommended" | "best" | "tied" | "front" | "model";

const MARKS: Record<Mark, [sign: string, meaning: string]> = {
  recommended: ["★", "fastest or smallest of those that cannot be told from the best"],
  best: ["◆", "best value of the metric"],
  tied: ["●", "cannot be told from the best by a paired test"],
  front: ["◺", "no other trial is as good in metric, latency and size and better in one"],
  model: ["▣", "the model that this run has packaged"],
};

/** The marks of a trial. */
export function marksOf(row: Schemas["BoardRow"], run: Pick<Schemas["RunDetails"], "verdict" | "model_trial" | "has_model">): Mark[] {
  const { verdict } = run;
  const found: (Mark | false)[] = [
    row.trial === verdict?.recommended && "recommended",
    row.trial === verdict?.best && "best",
    verdict?.not_distinguishable.includes(row.trial) === true && "tied",
    row.on_front === true && "front",
    run.has_model && row.trial === run.model_trial && "model",
  ];
  return found.filter((mark) => mark !== false);
}

/** Marks as words with their shapes. */
export function TrialMarks({ marks }: { marks: Mark[] }) {
  return (
    <span className={styles.marks}>
      {marks.map((mark) => (
        <span key={mark} className={styles.mark} data-mark={mark} title={MARKS[mark][1]}>
          <span aria-hidden>{MARKS[mark][0]}</span> {mark}
        </span>
      ))}
    </span>
  );
}
