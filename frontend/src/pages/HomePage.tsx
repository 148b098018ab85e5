import { Link } from "@tanstack/react-router";
import { $api, type Schemas } from "../api/client";
import { ButtonLink, Tag, type Tone } from "../components/controls";
import { count, duration, interval, metricName, moment, statusWord } from "../components/format";
import { Page } from "../components/Page";
import { Scrolls } from "../components/Scrolls";
import { Answer, Empty } from "../components/states";

type RunSummary = Schemas["RunSummary"];

export default function HomePage() {
  const runs = $api.useQuery("get", "/api/v1/runs", {}, { refetchInterval: 5_000 });
  return (
    <Page title="Runs" actions={<ButtonLink to="/new" kind="primary">New job</ButtonLink>}>
      <Answer query={runs}>
        {(page) =>
          page.total === 0 ? (
            <Empty
              title="No runs yet"
              action={<ButtonLink to="/new" kind="primary">Train on your images</ButtonLink>}
              command="automl-vision train --training-data FOLDER"
            >
              Choose a folder of labelled images and a time, and the best model that fits into it is searched.
            </Empty>
          ) : (
            <RunTable runs={page.items} total={page.total} />
          )
        }
      </Answer>
    </Page>
  );
}

function RunTable({ runs, total }: { runs: RunSummary[]; total: number }) {
  return (
    <Scrolls label="runs">
      <table>
        <caption className="hidden-text">{count(total, "run")}, the newest first</caption>
        <thead>
          <tr>
            <th>Run</th>
            <th>Status</th>
            <th>Task</th>
            <th className="number">Trials</th>
            <th>Best</th>
            <th>Started</th>
            <th className="number">Time</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.id}>
              <td>
                <Link to="/runs/$runId" params={{ runId: run.id }}>
                  {run.id}
                </Link>
              </td>
              <td>
                <Status status={run.status} />
              </td>
              <td>{run.task}</td>
              <td className="number">{run.trials}</td>
              <td title={metricName(run.metric)}>{interval(run.best)}</td>
              <td>{run.created ? moment(run.created) : "–"}</td>
              <td className="number">{duration(run.seconds)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolls>
  );
}

const TONES: Record<string, Tone> = {
  Completed: "good",
  Failed: "error",
  Interrupted: "warning",
  Canceled: "plain",
  NotStarted: "plain",
};

/** The status of a run or trial. */
export function Status({ status }: { status: string }) {
  return <Tag tone={TONES[status] ?? "busy"}>{statusWord(status)}</Tag>;
}

