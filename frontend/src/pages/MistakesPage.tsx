// The images that a trial gets wrong: is the model wrong, or the label, or the picture?
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { $api, type Schemas } from "../api/client";
import { ButtonLink, Tag } from "../components/controls";
import { CopyView } from "../components/CopyView";
import { count } from "../components/format";
import { Gallery } from "../components/Gallery";
import { runImage, TileButton, TileWait } from "../components/ImageTile";
import { Hotkeys } from "../components/Hotkeys";
import type { Hotkey } from "../components/hotkeys";
import { Page } from "../components/Page";
import { Answer, Empty, Problem, Skeleton } from "../components/states";
import { Filters, filterOf } from "./mistakes/Filters";
import { Large } from "./mistakes/Large";
import styles from "./mistakes/mistakes.module.css";
import { useReviews, type Verdict } from "./mistakes/useReviews";
import { splitOf, textOf, useTrialName, useView, type TrialName } from "./trial/address";
import { useCases } from "./trial/CaseGallery";
import { SplitChoice } from "./trial/SplitChoice";

type TrialDetails = Schemas["TrialDetails"];

export default function MistakesPage() {
  const name = useTrialName();
  const { view } = useView();
  const trial = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}", {
    params: { path: { run_id: name.runId, number: name.number } },
  });
  const split = splitOf(view);
  const option = split === undefined ? "" : ` --split ${split}`;
  return (
    <Page
      title="Mistakes"
      trail={
        <>
          <Link to="/">Runs</Link> /{" "}
          <Link to="/runs/$runId" params={{ runId: name.runId }}>
            {name.runId}
          </Link>{" "}
          /{" "}
          <Link to="/runs/$runId/trials/$trial" params={{ runId: name.runId, trial: String(name.number) }}>
            Trial {name.number}
          </Link>
        </>
      }
      actions={
        <CopyView
          copies={{
            python: `from automl_vision import Run, Workspace\n\ntrial = Run(Workspace(), "${name.runId}").get_child(${name.number})\nevaluated = trial.evaluated(${split === undefined ? "" : `"${split}"`})\nevaluated.mistakes()`,
            command: `automl-vision mistakes ${name.runId}:${name.number}${option}`,
          }}
        />
      }
    >
      <Answer query={trial}>
        {(found) =>
          found.splits.length === 0 ? (
            <Empty title="No predictions yet">{found.reason ?? "Mistakes appear here when the trial has finished."}</Empty>
          ) : (
            <Content trial={found} name={name} split={split} />
          )
        }
      </Answer>
    </Page>
  );
}

function Content({ trial, name, split }: { trial: TrialDetails; name: TrialName; split: string | undefined }) {
  const { view, set } = useView();
  const filter = filterOf(view);
  const evaluation = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/evaluation", {
    params: { path: { run_id: name.runId, number: name.number }, query: split === undefined ? {} : { split } },
  });
  const hasObjects = trial.task.includes("object") || trial.task.includes("segmentation");
  const shown = split ?? (trial.splits.includes("test") ? "test" : (trial.splits[0] ?? "val"));
  return (
    <>
      <div className="line">
        <SplitChoice splits={trial.splits} shown={shown} onChoose={(one) => set({ split: one, row: undefined })} />
      </div>
      <Filters evaluation={evaluation.data} classes={trial.classes} hasObjects={hasObjects} />
      <Images key={JSON.stringify([filter, split])} trial={trial} name={name} split={split} suspicion={evaluation.data?.suspicion ?? ""} />
    </>
  );
}

/** The position of the row that the address names, as soon as its page is known. */
function positionOf(row: string | undefined, total: number, at: (position: number) => { row: number } | undefined): number {
  if (row === undefined) return 0;
  for (let position = 0; position < total; position++) if (String(at(position)?.row) === row) return position;
  return -1;
}

function Images({ trial, name, split, suspicion }: { trial: TrialDetails; name: TrialName; split: string | undefined; suspicion: string }) {
  const { view, set } = useView();
  const { total, at, onNear, error } = useCases(name, split, filterOf(view));
  const reviews = useReviews(name);
  const [columns, setColumns] = useState(1);
  const [asked, setAsked] = useState<number | null>(null); // a position that a key led to
  const named = textOf(view, "row");
  const position = asked ?? positionOf(named, total ?? 0, at);
  const row = asked !== null ? at(asked)?.row : position >= 0 ? at(position)?.row : Number(named);
  const go = (to: number) => {
    if (total === undefined || to < 0 || to >= total) return;
    setAsked(to);
    onNear(Math.max(to, 0));
    const next = at(to);
    if (next !== undefined) set({ row: next.row });
  };
  const decide = (verdict: Verdict, suggested: string | null, stay = false) => {
    if (row === undefined) return;
    reviews.decide(row, verdict, suggested);
    if (!stay) go(position + 1);
  };
  const undo = () => {
    const undone = reviews.undo();
    if (undone === null || total === undefined) return;
    const found = positionOf(String(undone), total, at);
    if (found >= 0) go(found);
  };
  const current = row === undefined || position < 0 ? undefined : at(position);
  const guess = current?.suggested ?? null;
  const hotkeys: Hotkey[] = [
    { keys: ["ArrowRight"], title: "Next image", run: () => go(position + 1) },
    { keys: ["ArrowLeft"], title: "Previous image", run: () => go(position - 1) },
    { keys: ["ArrowDown"], title: "Image below", run: () => go(position + columns) },
    { keys: ["ArrowUp"], title: "Image above", run: () => go(position - columns) },
    { keys: ["l"], title: "The label is wrong; go on", run: () => decide("label", guess) },
    { keys: ["m"], title: "The model is wrong; go on", run: () => decide("model", null) },
    { keys: ["s"], title: "Skip", run: () => decide("skip", null) },
    { keys: ["u"], title: "Undo the last decision", run: undo },
  ];
  if (error !== null) return <Problem error={error} />;
  if (total === undefined) return <Skeleton heights={[420]} />;
  if (total === 0) return <Empty title="No image is left by this filter">Choose other classes, or show all images.</Empty>;
  return (
    <div className={styles.columns}>
      <div className="stack">
        <Reviewed trial={trial} wrongLabels={reviews.wrongLabels} reviewed={reviews.reviews.length} total={total} />
        <Gallery
          total={total}
          label="images, the worst first"
          tileWidth={128}
          tileHeight={158}
          onNear={onNear}
          onColumns={setColumns}
          reveal={position >= 0 ? position : undefined}
          tile={(one) => {
            const found = at(one);
            if (found === undefined) return <TileWait />;
            const review = reviews.of(found.row);
            return (
              <TileButton
                chosen={one === position}
                onPress={() => go(one)}
                src={runImage(name.runId, found.row)}
                alt={`${found.truth}, predicted ${found.predicted}`}
                first={found.truth}
                second={found.is_mistake ? `→ ${found.predicted}` : found.predicted}
                mark={
                  review !== undefined ? (
                    <Tag tone={review.verdict === "label" ? "error" : "good"}>{MARKS[review.verdict]}</Tag>
                  ) : found.suspected !== "" ? (
                    <Tag tone="warning">label?</Tag>
                  ) : null
                }
              />
            );
          }}
        />
      </div>
      <section className={styles.large} aria-label="the image">
        {reviews.error !== null && <Problem error={reviews.error} />}
        {row === undefined || Number.isNaN(row) ? (
          <Skeleton heights={[420]} />
        ) : (
          <Large
            trial={name}
            split={split}
            threshold={filterOf(view).threshold}
            row={row}
            suspicion={suspicion}
            classes={trial.classes}
            oneLabel={trial.task === "image-classification"}
            review={reviews.of(row)}
            onDecide={(verdict, suggested) => decide(verdict, suggested, reviews.of(row)?.verdict === "label" && verdict === "label")}
            onUndo={undo}
            canUndo={reviews.reviews.length > 0}
            version={trial.data_version}
          />
        )}
        <Hotkeys hotkeys={hotkeys} />
      </section>
    </div>
  );
}

const MARKS: Record<Verdict, string> = { label: "label wrong", model: "model wrong", skip: "skipped", undone: "" };

function Reviewed({ trial, wrongLabels, reviewed, total }: { trial: TrialDetails; wrongLabels: number; reviewed: number; total: number }) {
  const version = trial.data_version;
  return (
    <div className="line spread">
      <p className="muted small" role="status">
        {count(total, "image")}, the worst first. {reviewed > 0 && `${reviewed} decided in this run, ${count(wrongLabels, "label")} called wrong.`}
      </p>
      {wrongLabels > 0 && version !== null && (
        <ButtonLink
          to="/data/$name/$version/fixes"
          params={{ name: version.name, version: String(version.number) } as never}
          search={{ run: trial.run } as never}
          kind="primary"
        >
          Review {count(wrongLabels, "fix", "fixes")}
        </ButtonLink>
      )}
      {wrongLabels > 0 && version === null && (
        <CopyView
          copies={{
            python: `from automl_vision import Dataset, Run, Workspace\nfrom automl_vision.experiment.label_reviews import LabelReviews, review_report\n\nrun = Run(Workspace(), "${trial.run}")\ndataset = Dataset.load(run.folder.manifest)\nreviews = LabelReviews(run.folder).standing().values()\ncorrected = dataset.apply(review_report(dataset, list(reviews)))`,
          }}
        />
      )}
    </div>
  );
}
