// Photos that wait for a label: what a model said, what a person says, and how they leave the queue.
import { useState } from "react";
import { $api, addressOf, queries, type Schemas } from "../../api/client";
import { Button, Dialog, Select, Tag, TextField } from "../../components/controls";
import controls from "../../components/controls.module.css";
import { count, moment } from "../../components/format";
import { Section } from "../../components/Page";
import { Problem } from "../../components/states";
import styles from "./try.module.css";

type QueuedPhoto = Schemas["QueuedPhoto"];

const QUEUE = "/api/v1/queue";
const refresh = () => queries.invalidateQueries({ queryKey: ["get", QUEUE] });

export function Queue() {
  const [limit, setLimit] = useState(12);
  const queue = $api.useQuery("get", QUEUE, { params: { query: { limit } } });
  const page = queue.data;
  if (page === undefined || page.total === 0) return null;
  const tasks = [...new Set(page.items.map((photo) => photo.task))];
  return (
    <Section title="Labelling queue" aside={<span className="muted">{count(page.total, "photo")}</span>}>
      <p className="muted small">Only photos that you sent here are kept. Correct what is wrong, then take them along as training data.</p>
      <div className={styles.queue}>
        {page.items.map((photo) => (
          <Queued key={`${photo.id} ${JSON.stringify(photo.correction)}`} photo={photo} />
        ))}
      </div>
      <div className="line">
        {page.next !== null && <Button onPress={() => setLimit(Math.min(500, 4 * limit))}>Show more</Button>}
        {tasks.map((task) => (
          <Leave key={task} task={task} />
        ))}
      </div>
    </Section>
  );
}

function Queued({ photo }: { photo: QueuedPhoto }) {
  const correct = $api.useMutation("patch", "/api/v1/queue/{photo_id}", { onSuccess: refresh });
  const remove = $api.useMutation("delete", "/api/v1/queue/{photo_id}", { onSuccess: refresh });
  const path = { photo_id: photo.id };
  const keep = (correction: unknown) => correct.mutate({ params: { path }, body: { correction, note: "" } });
  const name = photo.name || "photo";
  return (
    <article className={styles.queued} aria-label={name}>
      <img src={addressOf(`queue/${photo.id}/image`)} alt={name} loading="lazy" />
      <span className="line spread">
        <Tag tone={photo.correction == null ? "plain" : "good"}>{photo.correction == null ? "waits" : "corrected"}</Tag>
        <span className="muted small">{moment(photo.added)}</span>
      </span>
      <span className="small">
        {photo.model} said <strong>{photo.predicted.slice(0, 6).join(", ") || "nothing"}</strong>
        {photo.predicted.length > 6 && ` and ${photo.predicted.length - 6} more`}
      </span>
      <Correct photo={photo} onKeep={keep} />
      {correct.error !== null && <Problem error={correct.error} />}
      <div className="line">
        {photo.correction != null && (
          <Button kind="quiet" onPress={() => keep(null)}>
            Take back
          </Button>
        )}
        <Button kind="quiet" onPress={() => remove.mutate({ params: { path } })} aria-label={`Delete ${name}`}>
          Delete
        </Button>
      </div>
    </article>
  );
}

function Correct({ photo, onKeep }: { photo: QueuedPhoto; onKeep: (correction: unknown) => void }) {
  if (photo.task === "image-classification") {
    const options = photo.classes.map((id) => ({ id, title: id }));
    return <Select label="It is" options={options} value={(photo.correction as string | null) ?? null} onChange={onKeep} />;
  }
  if (photo.task === "image-classification-multi-label") return <Several photo={photo} onKeep={onKeep} />;
  return <RightObjects photo={photo} onKeep={onKeep} />;
}

function Several({ photo, onKeep }: { photo: QueuedPhoto; onKeep: (correction: unknown) => void }) {
  const [chosen, choose] = useState<string[]>((photo.correction as string[] | null) ?? photo.predicted);
  return (
    <fieldset style={{ border: 0, margin: 0, padding: 0 }}>
      <legend className="small">It has</legend>
      {photo.classes.map((name) => (
        <label key={name} className={styles.check}>
          <input
            type="checkbox"
            checked={chosen.includes(name)}
            onChange={(event) => choose(event.target.checked ? [...chosen, name] : chosen.filter((one) => one !== name))}
          />
          {name}
        </label>
      ))}
      <Button onPress={() => onKeep(photo.classes.filter((name) => chosen.includes(name)))}>Keep these labels</Button>
    </fieldset>
  );
}

interface Found {
  label: string;
  score: number;
  box: Record<string, number>;
  polygon?: number[][];
}

function RightObjects({ photo, onKeep }: { photo: QueuedPhoto; onKeep: (correction: unknown) => void }) {
  const found = (photo.prediction["boxes"] ?? []) as Found[];
  const [wrong, setWrong] = useState<number[]>([]);
  const right = found.filter((_, i) => !wrong.includes(i));
  const keep = () =>
    onKeep(right.map(({ label, box, polygon }) => ({ label, isCrowd: 0, ...(polygon === undefined ? box : { polygon }) })));
  return (
    <details>
      <summary>{count(found.length, "object")}: untick the wrong ones</summary>
      {found.map((one, i) => (
        <label key={i} className={styles.check}>
          <input
            type="checkbox"
            checked={!wrong.includes(i)}
            onChange={(event) => setWrong(event.target.checked ? wrong.filter((each) => each !== i) : [...wrong, i])}
          />
          {one.label} {Math.round(one.score * 100)} %
        </label>
      ))}
      <Button onPress={keep}>Keep {count(right.length, "object")}</Button>
    </details>
  );
}

function Leave({ task }: { task: string }) {
  const [open, setOpen] = useState(false);
  const [name, setName] = useState("corrected");
  const register = $api.useMutation("post", "/api/v1/queue/datasets");
  return (
    <>
      <a className={controls.button} href={addressOf("queue/export.zip", { task, which: "all" })} download>
        Download {task}
      </a>
      <Button onPress={() => setOpen(true)}>Make a dataset of the corrected</Button>
      <Dialog title={`Corrected photos of ${task} as a dataset`} isOpen={open} onClose={() => setOpen(false)}>
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            register.mutate({ body: { name, task, which: "corrected" } });
          }}
        >
          <TextField label="Name of the dataset" value={name} onChange={setName} autoFocus hint="A name that exists gets a new version." />
          {register.error !== null && <Problem error={register.error} />}
          {register.data !== undefined && (
            <p role="status">
              Registered as {register.data.id}, {count(register.data.images, "image")}.
            </p>
          )}
          <div className="line">
            <Button type="submit" kind="primary" isDisabled={register.isPending || name === ""}>
              Make the dataset
            </Button>
            <Button kind="quiet" onPress={() => setOpen(false)}>
              Close
            </Button>
          </div>
        </form>
      </Dialog>
    </>
  );
}
