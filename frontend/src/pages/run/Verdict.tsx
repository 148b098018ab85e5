// Which model to take, and how sure that is: the first thing that the page of a run says.
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { Button, ButtonLink } from "../../components/controls";
import { count, interval, metricName, significant } from "../../components/format";
import { isAtRest } from "../../components/Status";
import { MistakesLine } from "./MistakesLine";
import styles from "./Verdict.module.css";

type RunDetails = Schemas["RunDetails"];
type BoardRow = Schemas["BoardRow"];

const LONG = 320; // characters of a sentence that is shown in part

/** The recommended trial with what it costs, what the tests say, and what to do now. */
export function Verdict({ run }: { run: RunDetails }) {
  const row = run.rows.find((one) => one.trial === run.verdict?.recommended);
  if (row === undefined) return <NoVerdict run={run} />;
  const trial = String(row.trial);
  return (
    <section className={styles.verdict} aria-label="verdict">
      <p className={styles.take}>
        {isAtRest(run.status) ? "Take" : "So far, take"} <Link to="/runs/$runId/trials/$trial" params={{ runId: run.id, trial }}>trial {trial}</Link>, {row.model_name}
      </p>
      <Facts run={run} row={row} />
      <div className={styles.why}>
        <LongText text={sentenceOf(run)} />
        {run.decision !== null && <p>AutoMode: {run.decision.replace(/\.$/, "")}.</p>}
        {run.model_notes.map((note) => (
          <p key={note}>{asSentence(note)}</p>
        ))}
        {run.note !== "" && <p>{asSentence(run.note)}</p>}
        {isAtRest(run.status) && run.has_predictions && <MistakesLine runId={run.id} trial={row.trial} />}
        {run.model_trial !== null && run.model_trial !== row.trial && (
          <p className="muted">The model that this run has packaged is trial {run.model_trial}.</p>
        )}
      </div>
      <div className="line">
        <ButtonLink kind="primary" to="/runs/$runId/trials/$trial" params={{ runId: run.id, trial }}>
          Open the recommended
        </ButtonLink>
        {run.has_model && (
          <ButtonLink to="/try" search={{ model: run.id }}>
            {run.model_trial === null || run.model_trial === row.trial ? "Try it" : `Try the model, trial ${run.model_trial}`}
          </ButtonLink>
        )}
      </div>
    </section>
  );
}

function Facts({ run, row }: { run: RunDetails; row: BoardRow }) {
  return (
    <dl className={styles.facts}>
      <Fact name={`${metricName(run.metric)}, validation`} value={interval(row.score)} />
      {row.test_score !== null && <Fact name={`${metricName(run.metric)}, test`} value={interval(row.test_score)} />}
      <Fact name="latency" value={row.latency_ms === null || row.latency_ms === undefined ? (row.not_measurable ?? "not measured") : `${significant(row.latency_ms)} ms per image`} />
      <Fact name="size" value={row.size_mb === null || row.size_mb === undefined ? "not measured" : `${significant(row.size_mb)} MB`} />
    </dl>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt className="muted small">{name}</dt>
      <dd className="numbers">{value}</dd>
    </div>
  );
}

/** A text that begins with a capital letter and ends with a full stop. */
function asSentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}

/** What the tests say; of a run with one result there is nothing to compare. */
function sentenceOf(run: RunDetails): string {
  const { verdict } = run;
  if (verdict === null) return "";
  if (verdict.sentence !== "") return asSentence(verdict.sentence);
  return run.finished > 1 ? "The trials cannot be compared in pairs: their predictions are not kept." : "It is the only trial with a result, so there is nothing to compare it with.";
}

function LongText({ text }: { text: string }) {
  const [whole, setWhole] = useState(false);
  if (text === "") return null;
  if (text.length <= LONG || whole) return <p>{text}</p>;
  return (
    <div>
      <p className={styles.part}>{text}</p>
      <Button kind="quiet" onPress={() => setWhole(true)}>
        Show all of it
      </Button>
    </div>
  );
}

function NoVerdict({ run }: { run: RunDetails }) {
  if (run.note !== "") return <p className={styles.take}>{asSentence(run.note)}</p>;
  const begun = run.trials > 0 ? `${count(run.trials, "trial")} begun, none has a result yet.` : "No trial has begun yet.";
  return <p className="muted">{begun} The verdict comes with the first result.</p>;
}
