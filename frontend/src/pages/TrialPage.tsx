// One trial: how good, where not, and at which threshold?
import { Link } from "@tanstack/react-router";
import { $api, ApiError, type Schemas } from "../api/client";
import { ButtonLink, Tabs, type TabOf } from "../components/controls";
import { CopyView } from "../components/CopyView";
import { Page } from "../components/Page";
import { Answer, Empty, Problem, Skeleton } from "../components/states";
import { Status } from "../components/Status";
import { splitOf, textOf, useTrialName, useView, type TrialName } from "./trial/address";
import { Calibration } from "./trial/Calibration";
import { mistakesSearch } from "./trial/CaseGallery";
import { Confusion } from "./trial/Confusion";
import { Curves } from "./trial/Curves";
import { FigureOf } from "./trial/FigureOf";
import { Files } from "./trial/Files";
import { Facts, Overview } from "./trial/Overview";
import { NO_MARK } from "./trial/marks";
import { Settings } from "./trial/Settings";
import { Slices } from "./trial/Slices";
import { SplitChoice } from "./trial/SplitChoice";
import { OperatingPoint } from "./trial/threshold/OperatingPoint";
import styles from "./trial/trial.module.css";

type TrialDetails = Schemas["TrialDetails"];

export default function TrialPage() {
  const name = useTrialName();
  const query = $api.useQuery(
    "get",
    "/api/v1/runs/{run_id}/trials/{number}",
    { params: { path: { run_id: name.runId, number: name.number } } },
    { refetchInterval: (one) => (one.state.data?.status === "Running" ? 5_000 : false) },
  );
  const { view } = useView();
  const trial = query.data;
  return (
    <Page
      title={`Trial ${name.number}`}
      trail={
        <>
          <Link to="/">Runs</Link> /{" "}
          <Link to="/runs/$runId" params={{ runId: name.runId }}>
            {name.runId}
          </Link>
        </>
      }
      summary={
        trial && (
          <p className="line muted">
            <code>{trial.model_name}</code> <Status status={trial.status} /> {trial.task}
            {trial.role !== "" && `, ${trial.role}`}
          </p>
        )
      }
      actions={
        <>
          {trial !== undefined && trial.splits.length > 0 && (
            <ButtonLink
              to="/runs/$runId/trials/$trial/mistakes"
              params={{ runId: name.runId, trial: String(name.number) } as never}
              search={mistakesSearch({ mistakes: true }, splitOf(view)) as never}
              kind="primary"
            >
              Look at mistakes
            </ButtonLink>
          )}
          {trial !== undefined && trial.splits.length > 0 && (
            <ButtonLink to="/runs/$runId/compare" params={{ runId: name.runId } as never} search={{ first: name.number } as never}>
              Compare
            </ButtonLink>
          )}
          <CopyView copies={copies(name, textOf(view, "tab"), splitOf(view))} />
        </>
      }
    >
      <Answer query={query}>{(found) => <Content trial={found} name={name} />}</Answer>
    </Page>
  );
}

function Content({ trial, name }: { trial: TrialDetails; name: TrialName }) {
  const { view, set } = useView();
  const split = splitOf(view);
  const shown = split ?? (trial.splits.includes("test") ? "test" : (trial.splits[0] ?? "val"));
  const isScored = trial.splits.length > 0;
  const hasObjects = trial.task.includes("object") || trial.task.includes("segmentation");
  const scored: TabOf[] = [
    { id: "overview", title: "Overview", content: () => <Evaluated name={name} split={split} /> },
    { id: "threshold", title: "Threshold", content: () => <OperatingPoint trial={name} split={split} /> },
    { id: "confusion", title: "Confusion", content: () => <Confusion trial={name} split={split} /> },
    { id: "curves", title: "Curves", content: () => <Curves trial={name} split={split} /> },
    { id: "calibration", title: "Calibration", content: () => <Calibration trial={name} split={split} hasObjects={hasObjects} /> },
    { id: "slices", title: "Slices", content: () => <Slices trial={name} split={split} /> },
  ];
  const always: TabOf[] = [
    { id: "settings", title: "Settings", content: () => <Settings trial={trial} /> },
    { id: "files", title: "Log and files", content: () => <Files trial={name} /> },
  ];
  const tabs = isScored ? [...scored, ...always] : [{ id: "overview", title: "Overview", content: () => <Unscored trial={trial} name={name} /> }, ...always];
  const tab = tabs.find((one) => one.id === textOf(view, "tab"))?.id ?? "overview";
  return (
    <>
      <Facts trial={trial} />
      {isScored && trial.splits.length > 1 && (
        <div className="line">
          <SplitChoice splits={trial.splits} shown={shown} onChoose={(one) => set({ split: one })} />
          <span className="muted small">
            {shown === "val" ? "The validation images chose the epoch and the calibration: a little too good." : "Nothing was chosen on the test images."}
          </span>
        </div>
      )}
      <Tabs label="parts of the trial" tabs={tabs.map((one) => ({ ...one, content: () => <div className="stack">{one.content()}</div> }))} shown={tab} onShow={(id) => set({ ...CLEARED, tab: id === "overview" ? undefined : id }, true)} />
    </>
  );
}

const CLEARED = { ...NO_MARK, true: undefined, predicted: undefined, attribute: undefined, value: undefined };

function Evaluated({ name, split }: { name: TrialName; split: string | undefined }) {
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/evaluation", {
    params: { path: { run_id: name.runId, number: name.number }, query: split === undefined ? {} : { split } },
  });
  const error = query.error as unknown;
  if (query.data === undefined && error instanceof ApiError) return <Problem error={error} onRetry={() => void query.refetch()} />;
  if (query.data === undefined) return <Skeleton heights={[24, 320]} />;
  return <Overview trial={name} evaluation={query.data} split={split} />;
}

/** A trial that has no predictions: it runs, it failed, or it was never started. */
function Unscored({ trial, name }: { trial: TrialDetails; name: TrialName }) {
  const list = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/figures", {
    params: { path: { run_id: name.runId, number: name.number } },
  });
  return (
    <>
      {trial.reason !== null && (
        <Empty title={trial.status === "Failed" ? "The trial failed" : "The trial ended early"}>{trial.reason}</Empty>
      )}
      {trial.reason === null && <Empty title="No predictions yet">Metrics, mistakes and thresholds appear here when the trial has finished.</Empty>}
      {trial.log !== null && (
        <pre className={styles.log} tabIndex={0} aria-label="end of the log">
          {trial.log}
        </pre>
      )}
      {list.data?.names.includes("learning_curves") === true && (
        <section className="panel" aria-label="learning curves">
          <FigureOf trial={name} split={undefined} name="learning_curves" />
        </section>
      )}
    </>
  );
}

const COMMANDS: Record<string, string> = { slices: "slices", calibration: "calibration", threshold: "thresholds", curves: "figures", confusion: "mistakes" };
const CALLS: Record<string, string> = {
  slices: "slices()",
  calibration: "calibration()",
  threshold: "operating_points()",
  curves: "figures()",
  confusion: 'figures()["confusion"]',
};

function copies({ runId, number }: TrialName, tab: string | undefined, split: string | undefined) {
  const command = COMMANDS[tab ?? ""] ?? "report";
  const option = split === undefined ? "" : ` --split ${split}`;
  const call = CALLS[tab ?? ""] ?? "metrics()";
  return {
    python: `from automl_vision import Run, Workspace\n\ntrial = Run(Workspace(), "${runId}").get_child(${number})\ntrial.evaluated(${split === undefined ? "" : `"${split}"`}).${call}`,
    command: `automl-vision ${command} ${command === "report" || command === "figures" ? `${runId} --trial ${number}` : `${runId}:${number}`}${option}${command === "figures" ? " --out figures" : ""}`,
  };
}
