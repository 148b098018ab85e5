// How far probabilities or scores can be trusted, before and after calibration, and sets that hold the truth.
import { $api, type Schemas } from "../../api/client";
import type { Mark } from "../../charts/plotly";
import { Select } from "../../components/controls";
import { count, figure, interval, splitName } from "../../components/format";
import { Section } from "../../components/Page";
import { Answer } from "../../components/states";
import { textOf, useView, type TrialName } from "./address";
import { FigureOf } from "./FigureOf";
import { imagesOf } from "./marks";
import { PointImages } from "./PointImages";
import styles from "./trial.module.css";
import { Scrolls } from "../../components/Scrolls";

const openBin = (mark: Mark) => imagesOf("reliability", mark);
const RATES = ["0.01", "0.05", "0.1", "0.2"];

export function Calibration({ trial, split, hasObjects }: { trial: TrialName; split: string | undefined; hasObjects: boolean }) {
  const { view, set } = useView();
  const rate = RATES.find((one) => one === textOf(view, "error")) ?? "0.1";
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/calibration", {
    params: {
      path: { run_id: trial.runId, number: trial.number },
      query: { error_rate: Number(rate), ...(split === undefined ? {} : { split }) },
    },
  });
  return (
    <Answer query={query}>
      {(found) => (
        <>
          <BeforeAfter found={found} />
          {!hasObjects && (
            <Section title="Reliability">
              <FigureOf trial={trial} split={split} name="reliability" opens={openBin} />
              <p className="muted small">A click on a point shows its images below.</p>
            </Section>
          )}
          {!hasObjects && <PointImages trial={trial} split={split} />}
          {found.sets !== null && (
            <Section
              title="Prediction sets"
              aside={
                <Select
                  label="Errors allowed"
                  options={RATES.map((one) => ({ id: one, title: `${Number(one) * 100} %` }))}
                  value={rate}
                  onChange={(one) => set({ error: one })}
                />
              }
            >
              <Sets sets={found.sets} />
            </Section>
          )}
        </>
      )}
    </Answer>
  );
}

function BeforeAfter({ found }: { found: Schemas["CalibrationFigures"] }) {
  return (
    <Section title="Calibration">
      <p className="muted small">
        On {count(found.images, `${splitName(found.split)} image`)}; calibrated by {found.method}. Lower is better in both.
      </p>
      <Scrolls label="calibration">
        <table>
          <thead>
            <tr>
              <td />
              <th>Before</th>
              <th>After</th>
            </tr>
          </thead>
          <tbody className={`numbers ${styles.rows}`}>
            <tr>
              <td>expected calibration error</td>
              <td>{interval(found.error_before, 4)}</td>
              <td>{interval(found.error_after, 4)}</td>
            </tr>
            <tr>
              <td>log loss</td>
              <td>{interval(found.loss_before, 4)}</td>
              <td>{interval(found.loss_after, 4)}</td>
            </tr>
          </tbody>
        </table>
      </Scrolls>
    </Section>
  );
}

function Sets({ sets }: { sets: NonNullable<Schemas["CalibrationFigures"]["sets"]> }) {
  return (
    <>
      <p>
        Instead of one label, the model can answer with a set that holds the truth in all but {figure(100 * sets.error_rate, 0)} % of the
        cases (conformal prediction). Images whose set has several labels are the ones to show to a person.
      </p>
      <dl className={styles.facts}>
        <div className={styles.fact} data-wide>
          <dt>truth held by the sets</dt>
          <dd>{interval(sets.covered, 4)}</dd>
        </div>
        <div className={styles.fact}>
          <dt>labels in a set, on average</dt>
          <dd>{figure(sets.mean_size, 2)}</dd>
        </div>
        <div className={styles.fact}>
          <dt>a label is in the set from</dt>
          <dd>{figure(sets.threshold, 4)}</dd>
        </div>
        <div className={styles.fact}>
          <dt>measured on</dt>
          <dd>{count(sets.images, "image")}</dd>
        </div>
      </dl>
    </>
  );
}
