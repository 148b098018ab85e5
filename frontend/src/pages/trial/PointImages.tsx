// The images behind the mark of a curve that the address names.
import { useEffect, useRef } from "react";
import { $api } from "../../api/client";
import { ButtonLink } from "../../components/controls";
import { figure } from "../../components/format";
import { Section } from "../../components/Page";
import { textOf, useView, type TrialName } from "./address";
import { CaseGallery, known, type CaseFilter } from "./CaseGallery";
import { markOf, outcomeOf } from "./marks";
import styles from "./trial.module.css";

const OUTCOMES = { wrong: "Wrongly shown", missed: "Missed", found: "Rightly shown" } as const;
type Outcome = keyof typeof OUTCOMES;

/** The images; nothing where no mark was chosen. */
export function PointImages({ trial, split }: { trial: TrialName; split: string | undefined }) {
  const { view } = useView();
  const mark = markOf(view);
  const label = textOf(view, "label");
  const place = useRef<HTMLDivElement>(null);
  const key = JSON.stringify([mark, label]);
  useEffect(() => {
    place.current?.focus({ preventScroll: true });
    place.current?.scrollIntoView({ block: "nearest" });
  }, [key]);
  if (mark.threshold === undefined && mark.lowest === undefined) return null;
  return (
    <div ref={place} tabIndex={-1} className={styles.point}>
      {mark.threshold === undefined ? (
        <Section title={`Confidence from ${figure(mark.lowest, 4)} to ${figure(mark.highest, 4)}`}>
          <p className="muted small">
            {mark.before_scaling === true ? "Before temperature scaling." : "After temperature scaling, as the model answers."}
          </p>
          <CaseGallery trial={trial} split={split} filter={mark} label="images of the bin" />
        </Section>
      ) : (
        <AtThreshold trial={trial} split={split} threshold={mark.threshold} label={label} />
      )}
    </div>
  );
}

function AtThreshold({ trial, split, threshold, label }: {
  trial: TrialName;
  split: string | undefined;
  threshold: number;
  label: string | undefined;
}) {
  const { view, set } = useView();
  const shown = outcomeOf(view) ?? "wrong";
  const filter = (outcome: Outcome): CaseFilter => ({ threshold, label, outcome });
  return (
    <Section
      title={`${label ?? "Everything"} shown from ${figure(threshold, 4)}`}
      aside={
        <ButtonLink
          to="/runs/$runId/trials/$trial"
          params={{ runId: trial.runId, trial: String(trial.number) } as never}
          search={{ tab: "threshold", t: String(threshold), of: label, ...(split === undefined ? {} : { split }) } as never}
        >
          Move it under Threshold
        </ButtonLink>
      }
    >
      <div className={styles.segments} role="group" aria-label="which images">
        {(Object.keys(OUTCOMES) as Outcome[]).map((outcome) => (
          <button key={outcome} type="button" aria-pressed={shown === outcome} onClick={() => set({ outcome })}>
            {OUTCOMES[outcome]} <Total trial={trial} split={split} filter={filter(outcome)} />
          </button>
        ))}
      </div>
      <CaseGallery key={shown} trial={trial} split={split} filter={filter(shown)} label="images at the threshold" />
    </Section>
  );
}

/** How many images a filter leaves. */
function Total({ trial, split, filter }: { trial: TrialName; split: string | undefined; filter: CaseFilter }) {
  const { data } = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/cases", {
    params: { path: { run_id: trial.runId, number: trial.number }, query: { ...known(filter), ...(split === undefined ? {} : { split }), limit: 1 } },
  });
  return <>{data?.total.toLocaleString("en-US")}</>;
}
