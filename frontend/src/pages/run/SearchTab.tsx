// What the search has tried: parallel coordinates to brush over, and which settings matter.
import { Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { Parallel } from "../../charts/Parallel";
import { axesOf, brushesOf, brushesText, heightsOf, isHeld, type Setting, type TrialPoint } from "../../charts/parallel";
import { Button } from "../../components/controls";
import { count, interval, metricName } from "../../components/format";
import { Section } from "../../components/Page";
import { Scrolls } from "../../components/Scrolls";
import { textOf, useView } from "../../components/view";
import { settingText, type RunDetails } from "./columns";
import { RunFigure } from "./RunFigures";

const MOST_LISTED = 8;

export function SearchTab({ run }: { run: RunDetails }) {
  const [view, setView] = useView();
  const navigate = useNavigate();
  const trials = useMemo(() => pointsOf(run), [run]);
  const brushes = useMemo(() => brushesOf(textOf(view.brush)), [view.brush]);
  const axes = useMemo(() => axesOf(trials, run.metric), [trials, run.metric]);
  if (trials.length < 2 || axes.length < 2)
    return <p className="muted">{trials.length < 2 ? `There is nothing to compare: ${count(trials.length, "trial")} with a score.` : "All trials have the same settings."}</p>;
  const held = trials.filter((trial) => isHeld(heightsOf(trial, axes), axes, brushes));
  return (
    <div className="stack">
      <Section
        title="Settings and metric"
        aside={
          <span className="line">
            <span className="muted small" role="status">{held.length} of {count(trials.length, "trial")} held</span>
            {view.brush !== undefined && <Button kind="quiet" onPress={() => setView({ brush: undefined })}>Hold all</Button>}
          </span>
        }
      >
        <p className="muted small">Drag along an axis to hold the trials that pass there; a click takes the brush away. A line opens its trial.</p>
        <Parallel
          trials={trials} metric={run.metric} lowerIsBetter={run.lower_is_better} brushes={brushes}
          onBrush={(changed) => setView({ brush: brushesText(changed) })}
          onOpen={(trial) => void navigate({ to: "/runs/$runId/trials/$trial", params: { runId: run.id, trial: String(trial) } })}
        />
        <HeldTrials run={run} held={held} />
      </Section>
      <Section title="Importance of the settings">
        <RunFigure runId={run.id} name="importance" label="importance of the settings" />
      </Section>
    </div>
  );
}

function pointsOf(run: RunDetails): TrialPoint[] {
  return run.rows.flatMap((row) =>
    row.score === null ? [] : [{ trial: row.trial, values: { model: row.model_name, ...(row.drawn as Record<string, Setting>) }, score: row.score.value }],
  );
}

function HeldTrials({ run, held }: { run: RunDetails; held: TrialPoint[] }) {
  const rows = run.rows.filter((row) => held.some((trial) => trial.trial === row.trial)).slice(0, MOST_LISTED);
  return (
    <Scrolls label="trials that are held">
      <table>
        <caption className="hidden-text">the best trials that are held</caption>
        <thead>
          <tr>
            <th className="number">Rank</th>
            <th>Trial</th>
            <th>{metricName(run.metric)}</th>
            {run.differing.map((name) => <th key={name}>{metricName(name)}</th>)}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.trial}>
              <td className="number">{row.rank}</td>
              <td>
                <Link to="/runs/$runId/trials/$trial" params={{ runId: run.id, trial: String(row.trial) }}>
                  {row.trial} {row.model_name}
                </Link>
              </td>
              <td className="numbers">{interval(row.score)}</td>
              {run.differing.map((name) => <td key={name}>{settingText(row.drawn?.[name])}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      {held.length > MOST_LISTED && <p className="muted small">and {held.length - MOST_LISTED} more</p>}
    </Scrolls>
  );
}
