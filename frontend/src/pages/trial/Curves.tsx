// Precision and recall, ROC, thresholds and learning curves, as the API draws them.
import { $api } from "../../api/client";
import type { Mark } from "../../charts/plotly";
import { Section } from "../../components/Page";
import { metricName } from "../../components/format";
import { Answer } from "../../components/states";
import type { TrialName } from "./address";
import { FigureOf } from "./FigureOf";
import { hasImages, imagesOf } from "./marks";
import { PointImages } from "./PointImages";

const ELSEWHERE = ["confusion", "label_outcomes", "reliability", "object_errors"]; // their own tabs show them
const OPENS = Object.fromEntries(["roc", "precision_recall", "thresholds"].map((name) => [name, (mark: Mark) => imagesOf(name, mark)]));

export function Curves({ trial, split }: { trial: TrialName; split: string | undefined }) {
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/figures", {
    params: { path: { run_id: trial.runId, number: trial.number }, query: split === undefined ? {} : { split } },
  });
  return (
    <Answer query={query}>
      {(list) => (
        <>
          <div className="columns">
            {list.names
              .filter((name) => !ELSEWHERE.includes(name))
              .map((name) => (
                <section key={name} className="panel" aria-label={metricName(name)}>
                  <FigureOf trial={trial} split={split} name={name} {...(hasImages(name) ? { opens: OPENS[name] } : {})} />
                  {hasImages(name) && <p className="muted small">A click on a point shows its images below.</p>}
                </section>
              ))}
          </div>
          <PointImages trial={trial} split={split} />
          {Object.keys(list.missing).length > 0 && (
            <Section title="Not drawn">
              <ul>
                {Object.entries(list.missing).map(([name, reason]) => (
                  <li key={name}>
                    {metricName(name)}: {reason}
                  </li>
                ))}
              </ul>
            </Section>
          )}
        </>
      )}
    </Answer>
  );
}
