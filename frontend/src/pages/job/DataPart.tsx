// What the job is about: a registered version, a folder of this machine or an address, and a quick look at it.
import { keepPreviousData, useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState, type FormEvent } from "react";
import { Button as AriaButton } from "react-aria-components";
import { $api, api, type Schemas } from "../../api/client";
import { Button, Select, TextField } from "../../components/controls";
import { count, splitName } from "../../components/format";
import { Section } from "../../components/Page";
import { Problem, Skeleton } from "../../components/states";
import { hasEnded, WorkProgress } from "../../components/Work";
import { Fault, fieldId } from "./fields";
import styles from "./job.module.css";

export type DataCheck = Schemas["DataCheck"];
type Places = Schemas["ServerFolder"];

export function DataPart({ data, task, onChoose, onFound, fault }: {
  data: string;
  task: string | undefined;
  onChoose: (data: string) => void;
  onFound: (found: DataCheck) => void;
  fault: string | undefined;
}) {
  const [draft, setDraft] = useState<string | null>(null);
  const take = () => {
    if (draft !== null && draft.trim() !== data) onChoose(draft.trim());
    setDraft(null);
  };
  const choose = (event: FormEvent) => {
    event.preventDefault();
    take();
  };
  return (
    <Section title="Data" aside={<Link to="/data">Add data</Link>}>
      <form onSubmit={choose} className="stack" id={fieldId(["training_data"])}>
        <TextField
          label="Folder, file, address or registered version"
          value={draft ?? data}
          onChange={setDraft}
          onBlur={take}
          placeholder="~/photos, labels.csv, s3://bucket/set.zip, clothes:2"
          fault={fault}
          autoComplete="off"
          spellCheck="false"
        />
      </form>
      {data === "" ? <Sources onChoose={onChoose} /> : <Look key={data} data={data} task={task} onFound={onFound} onAnother={() => onChoose("")} />}
    </Section>
  );
}

function Sources({ onChoose }: { onChoose: (data: string) => void }) {
  const sources = $api.useQuery("get", "/api/v1/jobs/sources");
  const [folder, setFolder] = useState<string | null>(null);
  const places = $api.useQuery(
    "get",
    "/api/v1/places",
    { params: { query: folder === null ? {} : { path: folder } } },
    { placeholderData: keepPreviousData },
  );
  if (sources.error !== null) return <Problem error={sources.error} onRetry={() => void sources.refetch()} />;
  if (sources.data === undefined) return <Skeleton heights={[60, 60]} />;
  const { versions, recent } = sources.data;
  return (
    <>
      {versions.length > 0 && (
        <Group title="Registered">
          {versions.map((version) => (
            <Source key={version.id} name={version.id} more={`${count(version.images, "image")}, ${count(version.classes, "class", "classes")}`} onChoose={() => onChoose(version.id)} />
          ))}
        </Group>
      )}
      {recent.length > 0 && (
        <Group title="Of the last runs">
          {recent.map((path) => (
            <Source key={path} name={path.split("/").filter(Boolean).at(-1) ?? path} more={path} onChoose={() => onChoose(path)} />
          ))}
        </Group>
      )}
      {places.data !== undefined && <PlacesOf places={places.data} onOpen={setFolder} onChoose={onChoose} />}
      {places.error !== null && <Problem error={places.error} onRetry={() => setFolder(null)} />}
    </>
  );
}

function PlacesOf({ places, onOpen, onChoose }: { places: Places; onOpen: (folder: string) => void; onChoose: (data: string) => void }) {
  const folders = places.entries.filter((place) => place.is_folder);
  const offered = places.entries.filter((place) => place.images > 0 || !place.is_folder);
  const images = (place: Schemas["ServerFolderEntry"]) => (place.is_folder ? `${place.has_more ? "over " : ""}${count(place.images, "image")}` : "file");
  return (
    <div className="stack">
      <div className="line spread">
        <h3>On this machine</h3>
        <span className="line">
          {places.here.images > 0 && <Button onPress={() => onChoose(places.path)}>Use this folder</Button>}
          {places.parent !== null && <Button onPress={() => onOpen(places.parent ?? "")}>One folder up</Button>}
        </span>
      </div>
      <p className="muted small">{places.path}</p>
      {offered.length === 0 && <p className="muted">No folder with images is here. Look into another one, or type its path above.</p>}
      <div className={styles.sources}>
        {offered.map((place) => (
          <Source key={place.path} name={place.name} more={images(place)} onChoose={() => onChoose(place.path)} />
        ))}
      </div>
      {folders.length > 0 && (
        <div className={styles.grid}>
          <Select label="Look into a folder" value={null} options={folders.map((place) => ({ id: place.path, title: place.name }))} onChange={onOpen} />
        </div>
      )}
    </div>
  );
}

function Group({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <div className="stack">
      <h3>{title}</h3>
      <div className={styles.sources}>{children}</div>
    </div>
  );
}

function Source({ name, more, onChoose }: { name: string; more: string; onChoose: () => void }) {
  return (
    <AriaButton className={styles.source ?? ""} onPress={onChoose}>
      <span className={styles.name}>{name}</span>
      <span className="muted small">{more}</span>
    </AriaButton>
  );
}

function Look({ data, task, onFound, onAnother }: {
  data: string;
  task: string | undefined;
  onFound: (found: DataCheck) => void;
  onAnother: () => void;
}) {
  const begin = useMutation({
    mutationFn: async (again: boolean) => (await api.POST("/api/v1/jobs/data", { body: { data, again, ...(task === undefined ? {} : { task }) } })).data,
  });
  const { mutate } = begin;
  useEffect(() => mutate(false), [mutate, data, task]);
  const id = begin.data?.work.id;
  const look = $api.useQuery(
    "get",
    "/api/v1/jobs/data/{work_id}",
    { params: { path: { work_id: id ?? "" } } },
    { enabled: id !== undefined, refetchInterval: ({ state }) => (state.data !== undefined && hasEnded(state.data.work) ? false : 300) },
  );
  const found = look.data?.found ?? null;
  useEffect(() => {
    if (found !== null) onFound(found);
  }, [found, onFound]);
  if (begin.error !== null) return <Problem error={begin.error} onRetry={() => mutate(true)} />;
  const work = look.data?.work;
  return (
    <div className="stack" aria-live="polite">
      {work === undefined && <Skeleton heights={[96]} />}
      {work !== undefined && work.state === "failed" && <Fault>{work.reason ?? "The data cannot be opened."}</Fault>}
      {work !== undefined && !hasEnded(work) && <WorkProgress work={work} />}
      {found !== null && <Found found={found} />}
      <div className="line">
        <Button onPress={onAnother}>Choose other data</Button>
        {work !== undefined && hasEnded(work) && <Button kind="quiet" onPress={() => mutate(true)}>Look again</Button>}
      </div>
    </div>
  );
}

function Found({ found }: { found: DataCheck }) {
  const splits = Object.entries(found.splits).map(([split, images]) => `${splitName(split) || "without a split"} ${images.toLocaleString("en-US")}`);
  const classes = Object.entries(found.largest).map(([name, images]) => `${name} ${images.toLocaleString("en-US")}`);
  const more = found.classes - classes.length;
  return (
    <>
      {found.problem !== null && <Fault>{found.problem}</Fault>}
      <dl className={styles.facts}>
        <dt>Task</dt>
        <dd>{found.task.replaceAll("-", " ")}</dd>
        <dt>Format</dt>
        <dd>
          {found.format}
          {found.version !== null && `, registered as ${found.version}`}
        </dd>
        <dt>Images</dt>
        <dd className="numbers">
          {found.images.toLocaleString("en-US")}: {splits.join(", ")}
        </dd>
        <dt>Classes</dt>
        <dd className="numbers">
          {found.classes}: {classes.join(", ")}
          {more > 0 && `, and ${more} more`}
        </dd>
        {found.left_out > 0 && (
          <>
            <dt>Left out</dt>
            <dd>
              {count(found.left_out, "record")} that cannot be used
              <ul className={`small muted ${styles.list}`}>
                {found.examples.map((example, i) => (
                  <li key={i}>
                    {example.place}: {example.reason}
                  </li>
                ))}
              </ul>
            </dd>
          </>
        )}
      </dl>
    </>
  );
}
