// What does it say about my photo? One photo, several models side by side.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { $api, queries, type Schemas } from "../api/client";
import { Button, ButtonLink, Select } from "../components/controls";
import { interval, metricName } from "../components/format";
import { Page } from "../components/Page";
import { Answer, Empty, Problem } from "../components/states";
import { photoOf, predict, type ImagePrediction, type Photo } from "./try/predicting";
import { Queue } from "./try/Queue";
import { Result } from "./try/Result";
import { Source } from "./try/Source";
import styles from "./try/try.module.css";
import { useLoop, useWebcam } from "./try/webcam";

type TriableModel = Schemas["TriableModel"];

export default function TryPage() {
  const models = $api.useQuery("get", "/api/v1/triable-models");
  return (
    <Page title="Try" summary={<p className="muted">Photos are predicted on this server and kept nowhere, unless you send them to the queue.</p>}>
      <Answer query={models}>
        {({ items, problem }) =>
          items.length === 0 && problem === null ? (
            <Empty
              title="No models yet"
              action={
                <ButtonLink to="/new" kind="primary">
                  Train on your images
                </ButtonLink>
              }
              command="automl-vision train --training-data FOLDER"
            >
              A run ends with a model that can be tried here at once.
            </Empty>
          ) : (
            <>
              {problem !== null && <Problem error={new Error(problem)} onRetry={() => void models.refetch()} />}
              <Trying models={items} />
            </>
          )
        }
      </Answer>
      <Queue />
    </Page>
  );
}

const NONE = "none";

function Trying({ models }: { models: TriableModel[] }) {
  const search = useSearch({ strict: false });
  const navigate = useNavigate();
  const wanted = typeof search.model === "string" ? search.model.split(",") : [];
  const chosen = wanted.length > 0 ? wanted : models.slice(0, 1).map((model) => model.id);
  const errorRate = typeof search["error_rate"] === "number" ? search["error_rate"] : null;
  const change = (values: Record<string, string | number | undefined>) =>
    void navigate({ to: ".", search: (before) => ({ ...before, ...values }), replace: true });
  const choose = (ids: string[]) => change({ model: ids.join(",") || undefined });
  const [photo, setPhoto] = useState<Photo | null>(null);
  const [live, setLive] = useState<Record<string, ImagePrediction>>({});
  const webcam = useWebcam();
  useEffect(() => () => (photo === null ? undefined : URL.revokeObjectURL(photo.url)), [photo]);
  const show = (blob: Blob, name: string) => {
    webcam.stop();
    setLive({});
    setPhoto(photoOf(blob, name));
  };
  const rate = useLoop(webcam.isOn, async () => {
    const frame = await webcam.frame();
    if (frame === null) return;
    const next = photoOf(frame, "camera");
    const found: Record<string, ImagePrediction> = {};
    try {
      for (const model of chosen) {
        found[model] = await predict(next, model, errorRate);
        queries.setQueryData(["prediction", next.number, model, errorRate], found[model]);
      }
      setLive(found);
      setPhoto(next);
    } catch {
      webcam.stop();
      setLive({});
      setPhoto(next);
    }
  });
  const known = new Map(models.map((model) => [model.id, model]));
  const rates = [...new Set(chosen.flatMap((id) => known.get(id)?.error_rates ?? []))].sort((a, b) => a - b);
  return (
    <>
      <div className="line" style={{ alignItems: "end" }}>
        <AddModel models={models} chosen={chosen} onAdd={(id) => choose([...chosen, id])} />
        {rates.length > 0 && (
          <Select
            label="Sets that may miss"
            options={[{ id: NONE, title: "no sets" }, ...rates.map((each) => ({ id: String(each), title: `${each * 100} % of the truth` }))]}
            value={errorRate === null ? NONE : String(errorRate)}
            onChange={(id) => change({ error_rate: id === NONE ? undefined : Number(id) })}
          />
        )}
      </div>
      <Source onPhoto={show} webcam={webcam} rate={rate} />
      <div className={styles.results}>
        {chosen.map((id) => (
          <div key={id} className="stack">
            {photo === null || (webcam.isOn && live[id] === undefined) ? (
              <Waiting model={known.get(id)} id={id} />
            ) : (
              <Result key={webcam.isOn ? "live" : photo.number} photo={photo} model={id} title={titleOf(known.get(id), id)} errorRate={usable(known.get(id), errorRate)} live={webcam.isOn ? live[id] ?? null : null} />
            )}
            {chosen.length > 1 && (
              <div>
                <Button kind="quiet" onPress={() => choose(chosen.filter((each) => each !== id))} aria-label={`Remove ${id}`}>
                  Remove
                </Button>
              </div>
            )}
          </div>
        ))}
      </div>
    </>
  );
}

/** The error rate, for a model that makes sets. */
const usable = (model: TriableModel | undefined, errorRate: number | null) =>
  model !== undefined && model.error_rates.length > 0 ? errorRate : null;

const titleOf = (model: TriableModel | undefined, id: string) =>
  model === undefined ? id : [model.title, ...model.aliases.filter((alias) => alias === "champion")].join(", ");

function Waiting({ model, id }: { model: TriableModel | undefined; id: string }) {
  return (
    <section className="panel stack" aria-label={id}>
      <h2 style={{ overflowWrap: "anywhere" }}>{titleOf(model, id)}</h2>
      {model === undefined ? (
        <p className="muted">This model is not in the list; it is asked for all the same.</p>
      ) : (
        <p className="muted">
          {model.model_name}, {model.task}, {model.classes} classes; {metricName(model.metric ?? "")} {interval(model.score)}
        </p>
      )}
    </section>
  );
}

function AddModel({ models, chosen, onAdd }: { models: TriableModel[]; chosen: string[]; onAdd: (id: string) => void }) {
  const others = models.filter((model) => !chosen.includes(model.id));
  if (others.length === 0) return null;
  return (
    <Select
      key={chosen.join()}
      label={`Add a model to ${chosen.join(", ")}`}
      options={others.map((model) => ({ id: model.id, title: titleOf(model, model.id) }))}
      value={null}
      onChange={onAdd}
    />
  );
}
