// One image, large: truth solid, prediction dashed, what it depends on, and the decision about it.
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { $api, type Schemas } from "../../api/client";
import { Button, Select, Tag } from "../../components/controls";
import { figure } from "../../components/format";
import { runImage } from "../../components/ImageTile";
import { Picture, type Drawn } from "../../components/Picture";
import { Answer, Skeleton } from "../../components/states";
import type { TrialName } from "../trial/address";
import { Explanation } from "./Explanation";
import type { Review, Verdict } from "./useReviews";
import styles from "./mistakes.module.css";

type Details = Schemas["CaseDetails"];

export function Large({ trial, split, threshold, row, suspicion, classes, oneLabel, review, onDecide, onUndo, canUndo, version }: {
  trial: TrialName;
  split: string | undefined;
  threshold: number | undefined;
  row: number;
  suspicion: string;
  classes: string[];
  oneLabel: boolean;
  review: Review | undefined;
  onDecide: (verdict: Verdict, suggested: string | null) => void;
  onUndo: () => void;
  canUndo: boolean;
  version: Schemas["DataVersion"] | null;
}) {
  const query = $api.useQuery(
    "get",
    "/api/v1/runs/{run_id}/trials/{number}/cases/{row}",
    { params: { path: { run_id: trial.runId, number: trial.number, row }, query: { ...(split === undefined ? {} : { split }), ...(threshold === undefined ? {} : { threshold }) } } },
    { staleTime: 60_000 },
  );
  return (
    <Answer query={query} loading={<Skeleton heights={[420, 80]} />}>
      {(found) => (
        <Shown key={row} found={found as Details} trial={trial} suspicion={suspicion}>
          <Decision found={found as Details} classes={classes} oneLabel={oneLabel} review={review} onDecide={onDecide} onUndo={onUndo} canUndo={canUndo} />
          {version !== null && (
            <p>
              <Link {...fixOf(version, found as Details)}>Fix its {found.true_objects.length + found.found_objects.length > 0 ? "boxes" : "label"} by hand</Link>{" "}
              <span className="muted small">in {version.name}:{version.number}</span>
            </p>
          )}
        </Shown>
      )}
    </Answer>
  );
}

/** The link to an image in the editor of the version that a run was trained on. */
export function fixOf(version: Schemas["DataVersion"], { image, digest, suggested, predicted }: Details) {
  const search = { image, digest, why: `a model says ${predicted}`, ...(suggested ? { suggest: suggested } : {}) };
  return { to: "/data/$name/$version/edit" as const, params: { name: version.name, version: String(version.number) }, search };
}

/** The objects of an image as they are drawn. */
export function drawnOf(found: Details): Drawn[] {
  const drawn = (one: Schemas["DrawnObject"], predicted: boolean): Drawn => ({
    label: one.label,
    box: one.box as Drawn["box"],
    polygons: one.polygons,
    score: one.score ?? null,
    predicted,
    wrong: one.error !== "",
  });
  return [...found.true_objects.map((one) => drawn(one, false)), ...found.found_objects.map((one) => drawn(one, true))];
}

function Shown({ found, trial, suspicion, children }: { found: Details; trial: TrialName; suspicion: string; children: React.ReactNode }) {
  const [overlay, setOverlay] = useState<string | null>(null);
  const objects = drawnOf(found);
  return (
    <>
      <div className={styles.frame} style={{ maxWidth: `calc(${found.width / found.height} * 52dvh)` }}>
        <Picture
          src={runImage(trial.runId, found.row, 1280)}
          width={found.width}
          height={found.height}
          alt={`${found.image}: ${found.truth}, predicted ${found.predicted}`}
          objects={overlay === null ? objects : []}
          labels={objects.length <= 30}
        >
          {overlay !== null && <img src={overlay} alt="what the prediction depends on, in colour" className={styles.overlay} />}
        </Picture>
      </div>
      {children}
      <dl className={styles.said}>
        <dt>truth</dt>
        <dd>{found.truth}</dd>
        <dt>predicted</dt>
        <dd>{found.predicted}</dd>
        <dt>image</dt>
        <dd className="small">{found.image}</dd>
      </dl>
      {found.suspected !== "" && (
        <p>
          <Tag tone="warning">The label may be wrong</Tag> {found.suspected}. <span className="muted small">How far to trust this: {suspicion}.</span>
        </p>
      )}
      {found.labels.length > 0 && <Scores labels={found.labels} />}
      {objects.length > 0 && <Objects found={found} />}
      <Explanation trial={trial} row={found.row} onShow={setOverlay} shown={overlay !== null} />
    </>
  );
}

function Decision({ found, classes, oneLabel, review, onDecide, onUndo, canUndo }: {
  found: Details;
  classes: string[];
  oneLabel: boolean;
  review: Review | undefined;
  onDecide: (verdict: Verdict, suggested: string | null) => void;
  onUndo: () => void;
  canUndo: boolean;
}) {
  const right = review?.suggested ?? found.suggested;
  return (
    <div className="stack">
      <div className={styles.verdicts} role="group" aria-label="decision about this image">
        <VerdictButton letter="L" title="Label is wrong" pressed={review?.verdict === "label"} onPress={() => onDecide("label", right)} />
        <VerdictButton letter="M" title="Model is wrong" pressed={review?.verdict === "model"} onPress={() => onDecide("model", null)} />
        <VerdictButton letter="S" title="Skip" pressed={review?.verdict === "skip"} onPress={() => onDecide("skip", null)} />
        <VerdictButton letter="U" title="Undo" disabled={!canUndo} onPress={onUndo} />
      </div>
      {oneLabel && review?.verdict === "label" && (
        <Select
          label="The right label"
          options={classes.filter((name) => name !== found.truth).map((name) => ({ id: name, title: name }))}
          value={review.suggested ?? null}
          onChange={(name) => onDecide("label", name)}
        />
      )}
    </div>
  );
}

function VerdictButton({ letter, title, pressed, disabled = false, onPress }: {
  letter: string;
  title: string;
  pressed?: boolean;
  disabled?: boolean;
  onPress: () => void;
}) {
  return (
    <button type="button" className={styles.verdict} aria-pressed={pressed} aria-keyshortcuts={letter} disabled={disabled} onClick={onPress}>
      <kbd aria-hidden>{letter}</kbd> {title}
    </button>
  );
}

function Scores({ labels }: { labels: Details["labels"] }) {
  return (
    <div className={styles.scores} role="group" aria-label="probabilities">
      {labels.map((label) => (
        <Row key={label.label} label={label} />
      ))}
    </div>
  );
}

function Row({ label }: { label: Details["labels"][number] }) {
  const marks = [label.is_true && "true", label.is_predicted && "predicted"].filter(Boolean).join(", ");
  return (
    <>
      <span title={label.label}>
        {label.label} {marks !== "" && <small className="muted">{marks}</small>}
      </span>
      <div className={styles.scoreBar} data-true={label.is_true} data-predicted={label.is_predicted} aria-hidden>
        <i style={{ width: `${100 * label.probability}%` }} />
      </div>
      <span className="numbers">{figure(label.probability)}</span>
    </>
  );
}

function Objects({ found }: { found: Details }) {
  const [open, setOpen] = useState(false);
  const rows = [
    ...found.true_objects.map((one) => ({ ...one, what: "labelled", fine: "found" })),
    ...found.found_objects.map((one) => ({ ...one, what: "detected", fine: "right" })),
  ];
  return (
    <div className="stack">
      <p className="muted small">Truth is drawn solid and white, detections dashed and yellow.</p>
      <div className="line">
        <Button onPress={() => setOpen(!open)} aria-expanded={open}>
          {open ? "Hide" : "List"} {found.true_objects.length} labelled, {found.found_objects.length} detected
        </Button>
      </div>
      {open && (
        <div className={styles.objects} tabIndex={0} role="region" aria-label="objects">
          <table>
            <tbody>
              {rows.map((one, i) => (
                <tr key={i}>
                  <td>{one.label}</td>
                  <td className="muted">{one.what}</td>
                  <td className="number">{figure(one.score, 3)}</td>
                  <td>{one.error === "" ? one.fine : one.error}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
