// Where the model is worse than elsewhere: the metric on parts of the images, each tested against the rest.
import { $api, type Schemas } from "../../api/client";
import { axisOf, IntervalDot } from "../../charts/IntervalDot";
import { Tag } from "../../components/controls";
import { figure, interval, metricName } from "../../components/format";
import { Section } from "../../components/Page";
import { Answer } from "../../components/states";
import { textOf, useView, type TrialName } from "./address";
import { CaseGallery } from "./CaseGallery";
import { again, WorkWait } from "./WorkWait";
import styles from "./trial.module.css";
import { Scrolls } from "../../components/Scrolls";

type Slice = Schemas["SliceFigures"];

export function Slices({ trial, split }: { trial: TrialName; split: string | undefined }) {
  const query = $api.useQuery(
    "get",
    "/api/v1/runs/{run_id}/trials/{number}/slices",
    { params: { path: { run_id: trial.runId, number: trial.number }, query: split === undefined ? {} : { split } } },
    { refetchInterval: (one) => again(one.state.data?.progress) },
  );
  return (
    <Answer query={query}>
      {(found) =>
        found.progress.state === "done" ? (
          <Shown found={found} trial={trial} split={split} />
        ) : (
          <Section title="Where it is worse">
            <WorkWait progress={found.progress} doing="Reading each image once, for brightness, contrast and sharpness." />
          </Section>
        )
      }
    </Answer>
  );
}

function Shown({ found, trial, split }: { found: Schemas["Slices"]; trial: TrialName; split: string | undefined }) {
  const { view, set } = useView();
  const chosen = { attribute: textOf(view, "attribute"), value: textOf(view, "value") };
  const is = (slice: Slice) => slice.attribute === chosen.attribute && slice.value === chosen.value;
  return (
    <>
      <Section title="Where it is worse">
        <p>{found.sentence.charAt(0).toUpperCase() + found.sentence.slice(1)}.</p>
        {found.slices.length > 0 && (
          <p className="muted small">
            {metricName(found.metric)} ({found.lower_is_better ? "lower" : "higher"} is better) on each part of the images and elsewhere, the
            worst first; p of a resampling test, Holm-corrected. Each opens its images.
          </p>
        )}
        <SliceTable slices={found.slices} metric={found.metric} is={is} onChoose={({ attribute, value }) => set({ attribute, value })} />
      </Section>
      {chosen.attribute !== undefined && chosen.value !== undefined && (
        <Section title={`${chosen.attribute} ${chosen.value}`}>
          <CaseGallery trial={trial} split={split} filter={chosen} label="images of the slice" />
        </Section>
      )}
    </>
  );
}

function SliceTable({ slices, metric, is, onChoose }: {
  slices: Slice[];
  metric: string;
  is: (slice: Slice) => boolean;
  onChoose: (slice: Slice) => void;
}) {
  const axis = axisOf(slices.map((slice) => slice.difference));
  if (slices.length === 0) return null;
  return (
    <Scrolls label="slices">
      <table>
        <thead>
          <tr>
            <th>Slice</th>
            <th className="number">Images</th>
            <th>{metricName(metric)}</th>
            <th>Elsewhere</th>
            <th>Difference</th>
            <th className={styles.dotColumn} />
            <th className="number">p</th>
          </tr>
        </thead>
        <tbody className={`numbers ${styles.rows}`}>
          {slices.map((slice) => (
            <tr key={`${slice.attribute} ${slice.value}`} className={slice.is_different ? styles.primary : undefined}>
              <td>
                <button type="button" className={styles.rowButton} aria-pressed={is(slice)} onClick={() => onChoose(slice)}>
                  {slice.attribute} {slice.value}
                </button>{" "}
                {slice.is_different && <Tag tone="warning">differs</Tag>}
              </td>
              <td className="number">{slice.images}</td>
              <td>{interval(slice.metric)}</td>
              <td>{interval(slice.rest)}</td>
              <td>{interval(slice.difference)}</td>
              <td>
                <IntervalDot found={slice.difference} axis={axis} reference={0} />
              </td>
              <td className="number">{figure(slice.p_value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolls>
  );
}
