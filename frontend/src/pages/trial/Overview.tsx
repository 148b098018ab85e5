// How good the trial is: the metric that ranks, all others, each class, and the kinds of errors of a detector.
import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import { axisOf, IntervalDot } from "../../charts/IntervalDot";
import { count, duration, figure, interval, metricName, splitName, type MetricInterval } from "../../components/format";
import { Section } from "../../components/Page";
import type { TrialName } from "./address";
import { mistakesSearch } from "./CaseGallery";
import { ClassTable } from "./ClassTable";
import styles from "./trial.module.css";
import { Scrolls } from "../../components/Scrolls";

type TrialDetails = Schemas["TrialDetails"];
type Evaluation = Schemas["EvaluationSummary"];

/** The facts that decide: shown above all tabs. */
export function Facts({ trial }: { trial: TrialDetails }) {
  const { row, result, primary_metric: metric } = trial;
  const primary = (split: string) => trial.metrics[split]?.[metric] ?? null;
  return (
    <section className="panel stack" aria-label="summary">
      <dl className={styles.facts}>
        <Fact name={`${metricName(metric)}, ${trial.splits.includes("test") ? "test images" : "validation images"}`} main>
          <Score found={primary(trial.splits.includes("test") ? "test" : "val") ?? row?.score} />
        </Fact>
        {trial.splits.includes("test") && (
          <Fact name={`${metricName(metric)}, validation images`} wide>
            <Score found={primary("val")} />
          </Fact>
        )}
        <Fact name="latency" note={row?.not_measurable ?? undefined}>
          {row?.latency_ms ? `${figure(row.latency_ms, 1)} ms` : "–"}
        </Fact>
        <Fact name="size" note={row?.parameters ? `${row.parameters.toLocaleString("en-US")} weights` : undefined}>
          {row?.size_mb ? `${figure(row.size_mb, 1)} MB` : "–"}
        </Fact>
        <Fact name="epochs" note={result ? (result.stopped ?? undefined) : undefined}>
          {result ? epochsOf(result) : "–"}
        </Fact>
        <Fact name="training time">{result ? duration(result.seconds) : "–"}</Fact>
        <Fact name="licence" note={result ? `of the weights: ${result.weights_source}` : undefined}>
          {result?.weights_licence ?? (result ? "not stated" : "–")}
        </Fact>
        <Fact name="rank in the run" note={trial.is_packaged ? "packaged as the run's model" : undefined}>
          {row?.rank ? (
            <Link to="/runs/$runId" params={{ runId: trial.run }}>
              {row.rank}
            </Link>
          ) : (
            "–"
          )}
        </Fact>
      </dl>
      {trial.measured_on !== "" && <p className="muted small">{trial.measured_on}</p>}
    </section>
  );
}

/** The epoch whose weights were kept, of those trained; heads alone and averages have none. */
function epochsOf({ best_epoch: best, epochs }: NonNullable<TrialDetails["result"]>): string {
  return epochs === 0 ? "none" : `${best} of ${epochs}`;
}

/** A value, and smaller its interval: together what `interval` writes. */
function Score({ found }: { found: MetricInterval | null | undefined }) {
  const [value = "–", ...ends] = interval(found).split(" ");
  return (
    <>
      {value} {ends.length > 0 && <span>{ends.join(" ")}</span>}
    </>
  );
}

function Fact({ name, note, main = false, wide = false, children }: {
  name: string;
  note?: string | undefined;
  main?: boolean;
  wide?: boolean;
  children: React.ReactNode;
}) {
  return (
    <div className={styles.fact} data-main={main} data-wide={main || wide}>
      <dt>{name}</dt>
      <dd>
        {children}
        {note !== undefined && note !== "" && <small>{note}</small>}
      </dd>
    </div>
  );
}

/** All figures of a split. */
export function Overview({ trial, evaluation, split }: { trial: TrialName; evaluation: Evaluation; split: string | undefined }) {
  return (
    <>
      <p>{evaluation.sentence.replace(/\.?$/, ".")}</p>
      <MistakesLine trial={trial} evaluation={evaluation} split={split} />
      <Metrics evaluation={evaluation} />
      {evaluation.kinds.length > 0 && <Kinds trial={trial} evaluation={evaluation} split={split} />}
      <ClassTable trial={trial} evaluation={evaluation} split={split} />
    </>
  );
}

function MistakesLine({ trial, evaluation, split }: { trial: TrialName; evaluation: Evaluation; split: string | undefined }) {
  const params = { runId: trial.runId, trial: String(trial.number) };
  const to = "/runs/$runId/trials/$trial/mistakes";
  if (evaluation.mistakes === 0) return <p>None of {count(evaluation.images, "image")} has a mistake.</p>;
  return (
    <p>
      <Link to={to} params={params} search={mistakesSearch({ mistakes: true }, split) as never}>
        {count(evaluation.mistakes, "image")} of {evaluation.images.toLocaleString("en-US")} with mistakes
      </Link>
      {evaluation.suspected > 0 && (
        <>
          ; in{" "}
          <Link to={to} params={params} search={mistakesSearch({ suspected: true }, split) as never}>
            {evaluation.suspected} of them the label may be wrong
          </Link>
        </>
      )}
      .
    </p>
  );
}

function Metrics({ evaluation }: { evaluation: Evaluation }) {
  const shares = evaluation.metrics.filter((metric) => metric.value !== null && metric.value.value <= 1 && (metric.value.high ?? 0) <= 1);
  const axis = { ...axisOf(shares.map((metric) => metric.value)), high: 1 };
  return (
    <Section title={`Metrics on ${count(evaluation.images, `${splitName(evaluation.split)} image`)}`}>
      <p className="muted small">Each with its 95 % interval over images.</p>
      <Scrolls label="metrics">
        <table>
          <thead>
            <tr>
              <th>Metric</th>
              <th>Value [interval]</th>
              <td className={styles.dotColumn} />
              <th>Better</th>
              <th>Meaning</th>
            </tr>
          </thead>
          <tbody>
            {evaluation.metrics.map((metric) => (
              <tr key={metric.name} className={metric.is_primary ? styles.primary : undefined}>
                <td className={styles.metric}>{metricName(metric.name)}</td>
                <td className={`numbers ${styles.whole}`}>{metric.value === null ? "undefined here" : interval(metric.value, 4)}</td>
                <td>{shares.includes(metric) && <IntervalDot found={metric.value} axis={axis} emphasis={metric.is_primary ? "best" : "plain"} />}</td>
                <td className="muted">{metric.lower_is_better ? "lower" : "higher"}</td>
                <td className={styles.wide} title={metric.source}>
                  {metric.meaning}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolls>
    </Section>
  );
}

function Kinds({ trial, evaluation, split }: { trial: TrialName; evaluation: Evaluation; split: string | undefined }) {
  const most = Math.max(1, ...evaluation.kinds.map((kind) => kind.count));
  return (
    <Section title="Kinds of errors">
      <p className="muted small">At the operating threshold; each kind opens its images.</p>
      <Scrolls label="kinds of errors">
        <table>
          <thead>
            <tr>
              <th>Kind</th>
              <th className="number">Errors</th>
              <td className={styles.barCell} />
              <th>Meaning</th>
            </tr>
          </thead>
          <tbody>
            {evaluation.kinds.map((kind) => (
              <tr key={kind.name}>
                <td>
                  {kind.count === 0 ? (
                    kind.name
                  ) : (
                    <Link
                      to="/runs/$runId/trials/$trial/mistakes"
                      params={{ runId: trial.runId, trial: String(trial.number) }}
                      search={mistakesSearch({ mistakes: true, kind: kind.name }, split) as never}
                    >
                      {kind.name}
                    </Link>
                  )}
                </td>
                <td className="number">{kind.count}</td>
                <td className={styles.barCell}>
                  <div className={styles.bar} style={{ width: `${(100 * kind.count) / most}%` }} />
                </td>
                <td className={styles.wide}>{kind.meaning}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolls>
    </Section>
  );
}
