import { Link, useParams } from "@tanstack/react-router";
import { $api, type Schemas } from "../api/client";
import { Figure } from "../charts/Figure";
import { axisOf, IntervalDot } from "../charts/IntervalDot";
import type { FigureJson } from "../charts/plotly";
import { CopyView } from "../components/CopyView";
import { figure, interval, metricName } from "../components/format";
import { Page, Section } from "../components/Page";
import { Scrolls } from "../components/Scrolls";
import { Answer } from "../components/states";
import { Status } from "./HomePage";

type RunDetails = Schemas["RunDetails"];

export default function RunPage() {
  const { runId } = useParams({ from: "/runs/$runId" });
  const run = $api.useQuery("get", "/api/v1/runs/{run_id}", { params: { path: { run_id: runId } } });
  return (
    <Page
      title={runId}
      trail={<Link to="/">Runs</Link>}
      actions={<CopyView copies={{ command: `automl-vision leaderboard ${runId}` }} />}
    >
      <Answer query={run}>
        {(details) => (
          <>
            {details.verdict?.sentence && <p>{details.verdict.sentence}</p>}
            <Board run={details} />
            <Section title="Metric against latency">
              <RunFigure runId={runId} name="latency" />
            </Section>
          </>
        )}
      </Answer>
    </Page>
  );
}

function RunFigure({ runId, name }: { runId: string; name: string }) {
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}/figures/{name}", {
    params: { path: { run_id: runId, name } },
  });
  return <Answer query={query}>{(found) => <Figure figure={found as unknown as FigureJson} label={name} />}</Answer>;
}

function Board({ run }: { run: RunDetails }) {
  const axis = axisOf(run.rows.map((row) => row.score));
  return (
    <Section title="Board">
      <Scrolls label="board">
        <table>
          <thead>
            <tr>
              <th className="number">Rank</th>
              <th>Trial</th>
              <th colSpan={2}>{metricName(run.metric)}</th>
              <th className="number">ms</th>
              <th>Status</th>
            </tr>
          </thead>
          <tbody>
            {run.rows.map((row) => (
              <tr key={row.trial}>
                <td className="number">{row.rank ?? ""}</td>
                <td>
                  {row.trial} {row.model_name}
                </td>
                <td className="numbers">{interval(row.score)}</td>
                <td>
                  <IntervalDot found={row.score} axis={axis} />
                </td>
                <td className="number">{figure(row.latency_ms, 1)}</td>
                <td>
                  <Status status={row.status} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolls>
    </Section>
  );
}
