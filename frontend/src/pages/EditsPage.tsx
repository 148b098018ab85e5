// Edits of a version's labels: each image before and after, a review of each edit, and the version that comes of them.
import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { $api, api, type Schemas } from "../api/client";
import { Button, ButtonLink, Tag, TextField } from "../components/controls";
import { CopyView } from "../components/CopyView";
import { count } from "../components/format";
import { Page, Section } from "../components/Page";
import { Answer, Empty, Problem } from "../components/states";
import { renew, useEdits, usePlace } from "./edits/api";
import { unsaved, type Place } from "./edits/draft";
import { usePerson } from "./edits/person";
import { Sides } from "./edits/Sides";
import { Stands, useJudging } from "./edits/Stands";
import { Counts } from "./fixes/Counts";
import styles from "./edits/edits.module.css";

const FIRST = 30;

export default function EditsPage() {
  const place = usePlace();
  const [limit, setLimit] = useState(FIRST);
  const query = useEdits(place, limit);
  const id = `${place.name}:${place.number}`;
  return (
    <Page
      title={`Edits of ${id}`}
      trail={
        <>
          <Link to="/data">Data</Link> /{" "}
          <Link to="/data/$name/$version" params={{ name: place.name, version: String(place.number) }}>
            {id}
          </Link>
        </>
      }
      actions={
        <>
          <CopyView
            copies={{
              python: `from automl_vision import Workspace\nfrom automl_vision.labeling.edit_log import LabelEdits\n\nedits = LabelEdits(Workspace().datasets, "${id}")\nedits.standing()\nedits.make_version()`,
            }}
          />
          <ButtonLink to="/data/$name/$version/edit" params={{ name: place.name, version: String(place.number) }} search={{ row: 0 }}>
            Edit images
          </ButtonLink>
        </>
      }
    >
      <Unsaved place={place} />
      <Answer query={query}>{(draft) => <Draft place={place} draft={draft} onMore={() => setLimit(Math.min(500, limit + 2 * FIRST))} />}</Answer>
    </Page>
  );
}

function Unsaved({ place }: { place: Place }) {
  const found = unsaved(place);
  if (found.length === 0) return null;
  return (
    <p role="status">
      <Tag tone="warning">not saved</Tag> {count(found.length, "image")} with changes that only this browser has:{" "}
      {found.slice(0, 8).map(({ row, image }, i) => (
        <span key={row}>
          {i > 0 && ", "}
          <Link to="/data/$name/$version/edit" params={{ name: place.name, version: String(place.number) }} search={{ row }}>
            {image}
          </Link>
        </span>
      ))}
      {found.length > 8 && ` and ${found.length - 8} more`}
    </p>
  );
}

function Draft({ place, draft, onMore }: { place: Place; draft: Schemas["EditDraft"]; onMore: () => void }) {
  const [person, setPerson] = usePerson(draft.account);
  const judging = useJudging(place, person);
  const make = useMake(place);
  const total = draft.images.total;
  const error = make.error ?? judging.error; // it outlasts the edits that it is about
  if (total === 0)
    return (
      <>
        {error !== null && <Problem error={error} refused="This cannot be done" />}
        <Nothing place={place} draft={draft} />
      </>
    );
  const edits = Object.values(draft.verdicts).reduce((sum, one) => sum + one, 0);
  return (
    <>
      {error !== null && <Problem error={error} refused="This cannot be done" />}
      <Newer place={place} draft={draft} />
      <NextVersion place={place} draft={draft} person={person} onPerson={setPerson} make={make} />
      <Section
        title={`${count(edits, "edit")} of ${count(total, "image")}`}
        aside={
          draft.open.length > 0 && (
            <Button onPress={() => judging.review(draft.open, "accepted")} isDisabled={judging.isBusy}>
              Accept {draft.open.length === 1 ? "the one to review" : `all ${draft.open.length.toLocaleString("en-US")} to review`}
            </Button>
          )
        }
      >
        <ul className={styles.list}>
          {draft.images.items.map((image) => (
            <li key={image.row} className={styles.row}>
              <Sides place={place} image={image} />
              <div className="stack">
                <p className="small">
                  <Link to="/data/$name/$version/edit" params={{ name: place.name, version: String(place.number) }} search={{ row: image.row }}>
                    {image.image}
                  </Link>
                </p>
                <Stands edits={image.edits} judging={judging} reviews />
              </div>
            </li>
          ))}
        </ul>
        {draft.images.next !== null && <Button onPress={onMore}>Show more of {count(total, "image")}</Button>}
      </Section>
    </>
  );
}

function Nothing({ place, draft }: { place: Place; draft: Schemas["EditDraft"] }) {
  const params = { name: place.name, version: String(place.number) };
  return (
    <>
      <Newer place={place} draft={draft} />
      <Empty
        title="No edit of this version waits"
        action={
          <span className={styles.buttons}>
            <ButtonLink to="/data/$name/$version" params={params} kind="primary">
              Choose an image
            </ButtonLink>
            <ButtonLink to="/data/$name/$version" params={params} search={{ tab: "doctor" }}>
              See what the doctor found
            </ButtonLink>
          </span>
        }
      >
        Open an image of the gallery, a case of the doctor or a mistake of a model, and choose Fix by hand: another class,
        {draft.kind === "boxes" ? " boxes drawn, moved or deleted," : ""} or the image left out. The edits come here, are reviewed, and make the next version.
      </Empty>
    </>
  );
}

function Newer({ place, draft }: { place: Place; draft: Schemas["EditDraft"] }) {
  if (draft.newest <= draft.number) return null;
  const newest = `${place.name}:${draft.newest}`;
  return (
    <p role="status">
      <Tag tone="warning">older version</Tag> {newest} is newer. A version made here begins with {draft.version}, without what changed since.{" "}
      <Link to="/data/$name/$version/edits" params={{ name: place.name, version: String(draft.newest) }}>
        Edit {newest} instead
      </Link>
    </p>
  );
}

function useMake({ name, number }: Place) {
  const navigate = useNavigate();
  return useMutation({
    mutationFn: async ({ train, ...body }: Schemas["VersionOfEdits"] & { train: boolean }) => {
      const params = { path: { name, number } };
      const { data } = await api.POST("/api/v1/datasets/{name}/versions/{number}/edits/version", { params, body });
      return data && { ...data, train };
    },
    onSuccess: (made) => {
      if (made === undefined) return;
      if (made.train) void navigate({ to: "/new", search: { data: made.id } });
      else void navigate({ to: "/data/$name/$version", params: { name: made.name, version: String(made.number) }, search: { tab: "changes" } });
    },
    onSettled: renew,
  });
}

function NextVersion({ place, draft, person, onPerson, make }: {
  place: Place;
  draft: Schemas["EditDraft"];
  person: string;
  onPerson: (name: string) => void;
  make: ReturnType<typeof useMake>;
}) {
  const path = { name: place.name, number: place.number };
  const [reason, setReason] = useState("");
  const accepted = draft.accepted.length;
  const waiting = draft.open.length;
  const preview = $api.useQuery("get", "/api/v1/datasets/{name}/versions/{number}/edits/preview", { params: { path } }, { enabled: accepted > 0, placeholderData: (old) => old });
  const ask = (train: boolean) => make.mutate({ edits: draft.accepted, author: person, reason, train });
  const cannot = accepted === 0 || make.isPending || person.trim() === "";
  return (
    <Section title={`Make ${place.name}:${draft.newest + 1}`}>
      {accepted === 0 ? (
        <p>Accept edits below; those that are accepted make the next version. {draft.version} stays as it is.</p>
      ) : (
        <>
          {preview.data !== undefined && <Counts counts={preview.data} />}
          {waiting > 0 && (
            <p className="muted">{count(waiting, "edit")} without a review {waiting === 1 ? "goes" : "go"} on with the new version.</p>
          )}
        </>
      )}
      {preview.error != null && <Problem error={preview.error} />}
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (!cannot) ask(false);
        }}
      >
        <div className={styles.two}>
          <TextField label="Your name" value={person} onChange={onPerson} isRequired />
          <TextField label="Reason, kept with the version" value={reason} onChange={setReason} placeholder="empty: the reasons of the edits" />
        </div>
        <div className={styles.buttons}>
          <Button type="submit" kind="primary" isDisabled={cannot}>
            Make version {draft.newest + 1}{accepted > 0 && ` with ${count(accepted, "edit")}`}
          </Button>
          <Button isDisabled={cannot} onPress={() => ask(true)}>
            Make it and retrain
          </Button>
        </div>
      </form>
    </Section>
  );
}
