// Two trials on the same images: is the difference real, and where is it?
import { Link } from "@tanstack/react-router";
import { $api } from "../api/client";
import { CopyView } from "../components/CopyView";
import { Page } from "../components/Page";
import { Answer, Empty } from "../components/states";
import { comparedOf, namesOf, queryOf, type Compared } from "./compare/address";
import { Choice } from "./compare/Choice";
import { Curves, Metrics, Settings } from "./compare/Differences";
import { Flips } from "./compare/Flips";
import { Classes, Slices } from "./compare/Parts";
import { Verdict } from "./compare/Verdict";
import { textOf, useTrialName, useView } from "./trial/address";
import { SplitChoice } from "./trial/SplitChoice";

export default function ComparePage() {
  const { runId } = useTrialName();
  const { view, set } = useView();
  const compared = comparedOf(view, runId);
  return (
    <Page
      title={compared === null ? "Compare" : `${namesOf(compared).first} and ${namesOf(compared).second}`}
      trail={
        <>
          <Link to="/">Runs</Link> /{" "}
          <Link to="/runs/$runId" params={{ runId }}>
            {runId}
          </Link>
        </>
      }
      actions={compared !== null && <CopyView copies={copies(compared)} />}
    >
      <Choice key={`${compared?.first.trial},${compared?.second.trial}`} runId={runId} compared={compared} asked={textOf(view, "first")} onChoose={set} />
      {compared === null ? (
        <Empty title="Choose two trials" command={`automl-vision compare ${runId}:0 ${runId}:1`}>
          They are tested on the same images: the difference with its interval, and the images that only one of them gets right.
        </Empty>
      ) : (
        <Content compared={compared} />
      )}
    </Page>
  );
}

function Content({ compared }: { compared: Compared }) {
  const { set } = useView();
  const query = $api.useQuery("get", "/api/v1/compare", { params: { query: queryOf(compared) } });
  const trial = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}", {
    params: { path: { run_id: compared.first.run, number: compared.first.trial } },
  });
  const names = namesOf(compared);
  return (
    <Answer query={query}>
      {(found) => (
        <>
          <div className="line">
            <SplitChoice splits={trial.data?.splits ?? []} shown={found.split} onChoose={(split) => set({ split, row: undefined })} />
          </div>
          <Verdict found={found} names={names} />
          <Flips compared={compared} found={found} names={names} />
          <div className="columns">
            <Settings found={found} names={names} />
            <Curves compared={compared} />
          </div>
          <Classes compared={compared} names={names} />
          <Slices compared={compared} names={names} />
          <Metrics found={found} names={names} />
        </>
      )}
    </Answer>
  );
}

function copies({ first, second, split }: Compared) {
  const option = split === undefined ? "" : ` --split ${split}`;
  const argument = split === undefined ? "" : `"${split}"`;
  return {
    python: [
      "from automl_vision import Run, Workspace",
      "from automl_vision.experiment.compared import compare_trials",
      "",
      "workspace = Workspace()",
      `first = Run(workspace, "${first.run}").get_child(${first.trial}).evaluated(${argument})`,
      `second = Run(workspace, "${second.run}").get_child(${second.trial}).evaluated(${argument})`,
      "compare_trials(first, second)",
    ].join("\n"),
    command: `automl-vision compare ${first.run}:${first.trial} ${second.run}:${second.trial}${option}`,
  };
}
