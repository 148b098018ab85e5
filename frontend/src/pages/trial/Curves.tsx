// Precision and recall, ROC, thresholds and learning curves, as the API draws them.
import { useCallback } from "react";
import { $api } from "../../api/client";
import type { ChartClick } from "../../charts/plotly";
import { Section } from "../../components/Page";
import { metricName } from "../../components/format";
import { Answer } from "../../components/states";
import { useView, type TrialName } from "./address";
import { FigureOf } from "./FigureOf";

const ELSEWHERE = ["confusion", "label_outcomes", "reliability", "object_errors"]; // their own tabs show them

export function Curves({ trial, split }: { trial: TrialName; split: string | undefined }) {
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/figures", {
    params: { path: { run_id: trial.runId, number: trial.number }, query: split === undefined ? {} : { split } },
  });
  const { set } = useView();
  const open = useCallback(
    (click: ChartClick) => {
      const threshold = (click.points[0] as { x?: unknown } | undefined)?.x;
      if (typeof threshold === "number") set({ tab: "threshold", t: String(Math.min(1, Math.max(0, threshold))) }, true);
    },
    [set],
  );
  return (
    <Answer query={query}>
      {(list) => (
        <>
          <div className="columns">
            {list.names
              .filter((name) => !ELSEWHERE.includes(name))
              .map((name) => (
                <section key={name} className="panel" aria-label={metricName(name)}>
                  <FigureOf trial={trial} split={split} name={name} {...(name === "thresholds" ? { onClick: open } : {})} />
                  {name === "thresholds" && <p className="muted small">A click on a point opens it under Threshold, with its images.</p>}
                </section>
              ))}
          </div>
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
