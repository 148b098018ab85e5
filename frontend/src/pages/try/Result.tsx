// What one model says of a photo: the answer, probabilities or objects, how long it took, and what it depends on.
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, queries } from "../../api/client";
import { Button, Tag } from "../../components/controls";
import { CopyView } from "../../components/CopyView";
import { figure } from "../../components/format";
import { Section } from "../../components/Page";
import { Picture, type Drawn } from "../../components/Picture";
import { Problem, Skeleton } from "../../components/states";
import { useWork, WorkProgress } from "../../components/Work";
import { milliseconds, percent } from "../models/figures";
import { asBody, curlOf, pythonOf, usePrediction, type ImagePrediction, type Photo } from "./predicting";
import styles from "./try.module.css";

export function Result({ photo, model, title, errorRate, live = null }: {
  photo: Photo;
  model: string;
  title: string;
  errorRate: number | null;
  live?: ImagePrediction | null;
}) {
  const asked = usePrediction(photo, model, errorRate);
  const found = live ?? asked.data;
  return (
    <Section title={title} aside={<CopyView copies={{ command: curlOf(model, errorRate), python: pythonOf(model, errorRate) }} />}>
      {asked.error !== null && live === null && <Problem error={asked.error} onRetry={() => void asked.refetch()} />}
      {found === undefined && asked.error === null && <Skeleton heights={[280, 120]} />}
      {found !== undefined && <Answered photo={photo} found={found} live={live !== null} />}
    </Section>
  );
}

const TALLEST = 460; // pixels that a photo is shown with

interface Heat {
  heat: string;
  label: string;
  probability: number;
}

function Answered({ photo, found, live }: { photo: Photo; found: ImagePrediction; live: boolean }) {
  const [opacity, setOpacity] = useState(0.7);
  const explain = useMutation({
    mutationFn: async () => {
      const query = { model: found.model };
      return (await api.POST("/api/v1/explanations", { params: { query }, ...asBody(photo.blob) })).data;
    },
  });
  const queue = useMutation({
    mutationFn: async () => {
      const query = { model: found.model, name: photo.name };
      return (await api.POST("/api/v1/queue", { params: { query }, ...asBody(photo.blob) })).data;
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ["get", "/api/v1/queue"] }),
  });
  const work = useWork(explain.data?.id).data;
  const heat = (work?.state === "done" ? work.result : null) as Heat | null;
  return (
    <>
      <div className={styles.photo} style={{ maxWidth: (TALLEST * found.width) / found.height }}>
      <Picture src={photo.url} width={found.width} height={found.height} alt={photo.name} objects={drawn(found)} labels={(found.boxes?.length ?? 0) <= 30}>
        {heat !== null && !live && <img className={styles.heat} src={heat.heat} alt={`what ${heat.label} depends on`} style={{ opacity }} />}
      </Picture>
      </div>
      <p className={styles.answer} data-testid="answer">
        {found.answered ? answerOf(found) : <Tag tone="warning">no answer: too uncertain</Tag>}
      </p>
      {found.set != null && (
        <p>
          Holds the truth as often as asked: <strong>{found.set.join(", ") || "none of the labels"}</strong>
        </p>
      )}
      {found.probs != null && <Bars found={found} />}
      {found.boxes != null && <Objects found={found} />}
      <p className="muted small numbers">
        {milliseconds(found.milliseconds.total)}: decoding {milliseconds(found.milliseconds.decode)}, network{" "}
        {milliseconds(found.milliseconds.network)}
      </p>
      {!live && (
        <>
          <div className="line">
            <Button onPress={() => explain.mutate()} isDisabled={explain.isPending || (work !== undefined && heat === null && work.state !== "failed")}>
              Why?
            </Button>
            <Button onPress={() => queue.mutate()} isDisabled={queue.isPending || queue.isSuccess}>
              {queue.isSuccess ? "In the queue" : "Send to the queue"}
            </Button>
            {heat !== null && (
              <label className="line" style={{ flex: "1 1 180px" }}>
                <span className="small">Explanation</span>
                <input className={styles.range} type="range" min={0} max={1} step={0.05} value={opacity} onChange={(event) => setOpacity(Number(event.target.value))} />
              </label>
            )}
          </div>
          {work !== undefined && <WorkProgress work={work} />}
          {heat !== null && (
            <p className="muted small">
              Bright: {heat.label} loses probability when it is hidden (occlusion, 250 masks).
            </p>
          )}
          {explain.error !== null && <Problem error={explain.error} />}
          {queue.error !== null && <Problem error={queue.error} />}
          <details>
            <summary>JSON answer</summary>
            <pre className={styles.json} tabIndex={0}>{JSON.stringify(found, null, 2)}</pre>
          </details>
        </>
      )}
    </>
  );
}

function answerOf(found: ImagePrediction): string {
  if (found.boxes == null) return found.predicted.join(", ") || "none of the labels";
  if (found.predicted.length === 0) return "no objects";
  const counts = new Map<string, number>();
  for (const label of found.predicted) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].map(([label, n]) => `${n} ${label}`).join(", ");
}

/** The objects in pixels of the photo. */
function drawn(found: ImagePrediction): Drawn[] {
  const { width, height } = found;
  return (found.boxes ?? []).map(({ box, label, score, polygon }) => ({
    label,
    score,
    predicted: true,
    box: [box.topX * width, box.topY * height, box.bottomX * width, box.bottomY * height],
    ...(polygon == null ? {} : { polygons: polygon.map((points) => points.map((value, i) => value * (i % 2 === 0 ? width : height))) }),
  }));
}

const MOST = 8;

function Bars({ found }: { found: ImagePrediction }) {
  const [all, showAll] = useState(false);
  const rows = (found.labels ?? []).map((label, i) => ({ label, prob: found.probs?.[i] ?? 0, threshold: found.thresholds[i] }));
  rows.sort((a, b) => b.prob - a.prob);
  const shown = all ? rows : rows.slice(0, MOST);
  return (
    <div className={styles.bars} role="list" aria-label="probabilities">
      {shown.map(({ label, prob, threshold }) => (
        <div key={label} role="listitem" className={styles.bar} data-chosen={found.predicted.includes(label)}>
          <span>{label}</span>
          <span className={styles.track} title={threshold === undefined ? undefined : `answered from ${percent(threshold)}`}>
            <span className={styles.fill} style={{ width: `${prob * 100}%` }} />
            {threshold !== undefined && threshold > 0 && <span className={styles.threshold} style={{ left: `${threshold * 100}%` }} />}
          </span>
          <span className={styles.percent}>{percent(prob)}</span>
        </div>
      ))}
      {rows.length > shown.length && (
        <div>
          <Button kind="quiet" onPress={() => showAll(true)}>
            Show all {rows.length} classes
          </Button>
        </div>
      )}
      {found.thresholds.length > 0 && <p className="muted small">The mark is the threshold from which a label is answered.</p>}
    </div>
  );
}

function Objects({ found }: { found: ImagePrediction }) {
  const boxes = found.boxes ?? [];
  return (
    <details>
      <summary>
        {boxes.length} objects at or above their thresholds (
        {found.classes.slice(0, 6).map((name, i) => `${name} ${figure(found.thresholds[i], 2)}`).join(", ")}
        {found.classes.length > 6 && ", …"})
      </summary>
      <div style={{ maxHeight: 260, overflowY: "auto" }} tabIndex={0} role="region" aria-label="objects">
        <table>
          <thead>
            <tr>
              <th>Class</th>
              <th className="number">Score</th>
            </tr>
          </thead>
          <tbody>
            {boxes.map((box, i) => (
              <tr key={i}>
                <td>{box.label}</td>
                <td className="number">{percent(box.score)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
