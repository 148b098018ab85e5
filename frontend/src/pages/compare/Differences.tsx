// Settings that differ, all metrics of both, and their learning curves.
import { $api, ApiError, type Schemas } from "../../api/client";
import { Figure } from "../../charts/Figure";
import { FigureTable } from "../../charts/FigureTable";
import type { FigureJson } from "../../charts/plotly";
import { interval, metricName } from "../../components/format";
import { Section } from "../../components/Page";
import { Problem, Skeleton } from "../../components/states";
import { queryOf, type Compared } from "./address";
import { Scrolls } from "../../components/Scrolls";
import trialStyles from "../trial/trial.module.css";

type Found = Schemas["ComparedTrials"];
type Names = { first: string; second: string };

export function Settings({ found, names }: { found: Found; names: Names }) {
  return (
    <Section title="Settings that differ">
      {found.settings.length === 0 ? (
        <p className="muted">None: only the seed or the data can make a difference.</p>
      ) : (
        <Scrolls label="settings">
          <table>
            <thead>
              <tr>
                <th>Setting</th>
                <th>{names.first}</th>
                <th>{names.second}</th>
              </tr>
            </thead>
            <tbody>
              {found.settings.map((setting) => (
                <tr key={setting.name}>
                  <td>
                    <code>{setting.name}</code>
                  </td>
                  <td className="numbers">{setting.first}</td>
                  <td className="numbers">{setting.second}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolls>
      )}
    </Section>
  );
}

export function Metrics({ found, names }: { found: Found; names: Names }) {
  return (
    <Section title="Metrics">
      <Scrolls label="metrics">
        <table>
          <thead>
            <tr>
              <th>Metric</th>
              <th>{names.first}</th>
              <th>{names.second}</th>
              <th>Better</th>
            </tr>
          </thead>
          <tbody className={`numbers ${trialStyles.rows}`}>
            {found.metrics.map((metric) => (
              <tr key={metric.name}>
                <td>{metricName(metric.name)}</td>
                <td>{interval(metric.first, 4)}</td>
                <td>{interval(metric.second, 4)}</td>
                <td className="muted">{metric.lower_is_better ? "lower" : "higher"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolls>
    </Section>
  );
}

export function Curves({ compared }: { compared: Compared }) {
  const query = $api.useQuery("get", "/api/v1/compare/figures/{name}", {
    params: { path: { name: "learning_curves" }, query: { trials: queryOf(compared).trials } },
  });
  const error = query.error as unknown;
  const missing = error instanceof ApiError && error.problem.status === 404;
  return (
    <section className="panel stack" aria-label="learning curves">
      {missing && <p className="muted">{error.problem.detail}</p>}
      {error !== null && !missing && <Problem error={error} />}
      {error === null && query.data === undefined && <Skeleton heights={[340]} />}
      {query.data !== undefined && (
        <>
          <Figure figure={query.data as unknown as FigureJson} label="learning curves" />
          <FigureTable figure={query.data as unknown as FigureJson} />
        </>
      )}
    </section>
  );
}
