import { keepPreviousData } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { $api } from "../api/client";
import { Button, Tabs } from "../components/controls";
import { count, duration, moment } from "../components/format";
import { Page, Section } from "../components/Page";
import { Answer, Skeleton } from "../components/states";
import { canResume, isAtRest, Status } from "../components/Status";
import { listOf, textOf, useView } from "../components/view";
import { Board } from "./run/Board";
import type { RunDetails } from "./run/columns";
import { limitsOf } from "./run/copies";
import { LiveStrip } from "./run/LiveStrip";
import { LogTab } from "./run/LogTab";
import { ResumeButton, RunActions } from "./run/RunActions";
import { RunFigure } from "./run/RunFigures";
import { SearchTab } from "./run/SearchTab";
import { SettingsTab } from "./run/SettingsTab";
import { useLiveRun } from "./run/useLiveRun";
import { Verdict } from "./run/Verdict";

const AT_REST = 5_000; // milliseconds; another tab or program may resume the run

export default function RunPage() {
  const { runId } = useParams({ from: "/runs/$runId" });
  const [view] = useView();
  const query = $api.useQuery(
    "get",
    "/api/v1/runs/{run_id}",
    { params: { path: { run_id: runId }, query: { metric: listOf(view.metrics), ...Object.fromEntries(limitsOf(view)) } } },
    { placeholderData: keepPreviousData, refetchInterval: AT_REST },
  );
  const run = query.data?.id === runId ? query.data : undefined;
  return (
    <Page
      title={runId}
      trail={<Trail run={run} />}
      actions={run !== undefined && <RunActions run={run} />}
      summary={run !== undefined && <Summary run={run} />}
    >
      <Answer query={{ ...query, data: run } as typeof query} loading={<Skeleton heights={[120, 48, 420]} />}>
        {(details) => <RunContent run={details} />}
      </Answer>
    </Page>
  );
}

function Trail({ run }: { run: RunDetails | undefined }) {
  return (
    <>
      <Link to="/">Runs</Link>
      {run !== undefined && (
        <>
          <span aria-hidden>/</span>
          <Link to="/" search={{ experiment: run.experiment }}>
            {run.experiment}
          </Link>
        </>
      )}
    </>
  );
}

function Summary({ run }: { run: RunDetails }) {
  return (
    <p className="line muted">
      <Status status={run.status} />
      <span>{run.task}</span>
      <span>{count(run.trials, "trial")}{run.finished < run.trials && `, ${run.finished} with a result`}</span>
      {run.created !== null && <span>made {moment(run.created)}</span>}
      {isAtRest(run.status) && run.seconds > 0 && <span>worked {duration(run.seconds)}</span>}
    </p>
  );
}

function RunContent({ run }: { run: RunDetails }) {
  const [view, setView] = useView();
  const works = !isAtRest(run.status);
  const live = useLiveRun(run.id, works);
  return (
    <>
      {works && <LiveStrip live={live} />}
      {canResume(run.status) && <Ended run={run} />}
      <Verdict run={run} />
      <Tabs
        label="parts of the run"
        shown={textOf(view.tab) || "board"}
        onShow={(tab) => setView({ tab: tab === "board" ? undefined : tab })}
        tabs={[
          { id: "board", title: "Board", content: () => <BoardTab run={run} /> },
          { id: "search", title: "Search", content: () => <SearchTab run={run} /> },
          { id: "log", title: "Log and files", content: () => <LogTab runId={run.id} works={works} /> },
          { id: "settings", title: "Settings", content: () => <SettingsTab runId={run.id} /> },
        ]}
      />
    </>
  );
}

/** Of a run that did not complete: why, and what Resume keeps. */
function Ended({ run }: { run: RunDetails }) {
  const why = run.reason ?? (run.status === "Interrupted" ? "its process is gone" : "no reason is recorded");
  return (
    <section className="panel line spread" aria-label="why the run ended">
      <span>
        <strong>{run.status}</strong>: {why}. Resume keeps {count(run.finished, "finished trial")} and goes on with the rest.
      </span>
      <ResumeButton runId={run.id} />
    </section>
  );
}

function BoardTab({ run }: { run: RunDetails }) {
  const [view, setView] = useView();
  const cost = view.cost === "size" ? "size" : "latency";
  return (
    <div className="stack">
      <Board run={run} />
      {run.finished > 1 && (
        <Section
          title={`Metric against ${cost}`}
          aside={
            <Button kind="quiet" onPress={() => setView({ cost: cost === "latency" ? "size" : undefined })}>
              Against {cost === "latency" ? "size" : "latency"}
            </Button>
          }
        >
          <RunFigure runId={run.id} name={cost} label={`metric against ${cost}`} />
        </Section>
      )}
    </div>
  );
}
