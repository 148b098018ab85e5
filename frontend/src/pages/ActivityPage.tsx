import { Link } from "@tanstack/react-router";
import { $api, type Schemas } from "../api/client";
import { Button, ButtonLink, Tag, type Tone } from "../components/controls";
import { count, moment } from "../components/format";
import { Page, Section } from "../components/Page";
import { Answer, Empty } from "../components/states";
import { Status } from "../components/Status";
import { hasEnded, WorkProgress } from "../components/Work";
import { useView } from "../components/view";
import styles from "./activity/Activity.module.css";
import { phaseOf, useActivity } from "./home/ActiveRuns";
import { Countdown, Messages, PhaseBar, TrialLines } from "./run/LiveStrip";
import { CancelButton } from "./run/RunActions";

type ActiveRun = Schemas["ActiveRun"];
type WorkDetails = Schemas["WorkDetails"];

const PAGE = 30;

export default function ActivityPage() {
  const activity = useActivity();
  const [view] = useView();
  const cursor = Number(view.cursor ?? 0) || 0;
  const work = $api.useQuery("get", "/api/v1/work", { params: { query: { limit: PAGE, cursor } } }, { refetchInterval: 2_000 });
  return (
    <Page title="Activity" summary={<p className="muted">What this machine does now. Runs go on when the studio ends; work of the studio does not.</p>}>
      <Answer query={activity}>
        {({ runs }) =>
          runs.length === 0 ? (
            <Empty
              title="No run works now"
              action={<ButtonLink to="/new" kind="primary">New job</ButtonLink>}
              command="automl-vision train --training-data FOLDER"
            >
              Runs of all open workspaces are shown here while they wait or work, whoever started them.
            </Empty>
          ) : (
            <div className="stack">
              {runs.map((active) => (
                <ActiveJob key={`${active.workspace}/${active.run.id}`} active={active} at={activity.dataUpdatedAt} />
              ))}
            </div>
          )
        }
      </Answer>
      <Section title="Work of the studio">
        <Answer query={work}>{(page) => <WorkList page={page} cursor={cursor} />}</Answer>
      </Section>
    </Page>
  );
}

function ActiveJob({ active, at }: { active: ActiveRun; at: number }) {
  const { run, live, working, workspace, messages } = active;
  return (
    <Section
      title={run.id}
      aside={
        <span className="line">
          <Countdown seconds={live.budget_left} at={at} />
          <ButtonLink to="/runs/$runId" params={{ runId: run.id }} search={{ workspace }}>Open</ButtonLink>
          <ButtonLink kind="quiet" to="/runs/$runId" params={{ runId: run.id }} search={{ workspace, tab: "log" }}>Log</ButtonLink>
          <CancelButton runId={run.id} isCanceling={false} workspace={workspace} />
        </span>
      }
    >
      <p className="line">
        <Status status={live.status} />
        <span>{phaseOf(active)}</span>
        <span className="muted small">{run.task} · workspace {workspace} · {count(live.trials, "trial")} begun</span>
      </p>
      {live.phase !== null && working.length === 0 && <PhaseBar phase={live.phase} />}
      <TrialLines trials={working} metric={live.metric} at={at} />
      <Messages messages={messages} />
    </Section>
  );
}

function WorkList({ page, cursor }: { page: Schemas["Page_WorkDetails_"]; cursor: number }) {
  const [, setView] = useView();
  if (page.total === 0) return <p className="muted">None since the studio was started. Checks of data, imports and reports are shown here.</p>;
  return (
    <>
      <ul className={styles.work}>
        {page.items.map((work) => <WorkRow key={work.id} work={work} />)}
      </ul>
      {page.total > PAGE && (
        <div className="line">
          <Button isDisabled={cursor === 0} onPress={() => setView({ cursor: Math.max(0, cursor - PAGE) || undefined })}>Newer</Button>
          <Button isDisabled={page.next === null} onPress={() => setView({ cursor: page.next ?? undefined })}>Older</Button>
        </div>
      )}
    </>
  );
}

const TONES: Record<WorkDetails["state"], Tone> = { waiting: "plain", running: "busy", done: "good", failed: "error", canceled: "plain" };

function WorkRow({ work }: { work: WorkDetails }) {
  return (
    <li className={styles.item}>
      <Tag tone={TONES[work.state]}>{work.state}</Tag>
      <span>
        {work.page === null ? work.title : <Link to={work.page} search={work.workspace === null ? {} : { workspace: work.workspace }}>{work.title}</Link>}
      </span>
      <span className="muted small">{moment(work.ended ?? work.started ?? work.created)}</span>
      {(!hasEnded(work) || work.state === "failed") && <div className={styles.progress}><WorkProgress work={work} /></div>}
    </li>
  );
}
