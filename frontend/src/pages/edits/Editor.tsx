// One image and what can be changed in it. Steps wait in this browser until they are saved as edits with a reason.
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { $api, api, queries, type Schemas } from "../../api/client";
import { count } from "../../components/format";
import { Problem } from "../../components/states";
import { pixelsOf } from "../version/images";
import { renew } from "./api";
import { Canvas } from "./Canvas";
import { Classes } from "./Classes";
import type { Place } from "./draft";
import { editKeys } from "./editKeys";
import { Objects } from "./Objects";
import { usePerson, useReason } from "./person";
import { SaveForm } from "./SaveForm";
import { Stands, useJudging } from "./Stands";
import { Tools } from "./Tools";
import { useDraft, type DraftOptions, type ImageDraft } from "./useDraft";
import { useZoom } from "./useZoom";
import styles from "./edits.module.css";

type Kind = Schemas["EditDraft"]["kind"];

export function Editor({ suggested, why, onStep, ...options }: DraftOptions & {
  suggested: string | undefined;
  why: string; // a reason to begin with
  onStep: ((step: number) => void) | null; // to another image
}) {
  const { place, draft, image, label } = options;
  const edit = useDraft(options);
  const { frame, ...zooms } = useZoom(image, edit.base.shapes.find(({ key }) => key === options.first)?.box ?? null, edit.chosen?.box ?? null);
  const [person, setPerson] = usePerson(draft.account);
  const [reason, setReason] = useReason(draft.version, why);
  const save = useSave(place, image, edit.clear);
  const { changes } = edit;
  const canSave = changes.length > 0 && person.trim() !== "" && reason.trim() !== "" && !save.isPending;
  const submit = (goOn: boolean) => {
    if (!canSave) return;
    const new_classes = changes.some(({ labels }) => (labels ?? []).some((one) => !draft.classes.includes(one)));
    save.mutate({ changes, author: person, reason, new_classes }, goOn && onStep !== null ? { onSuccess: () => onStep(1) } : {});
  };
  const hotkeys = editKeys({ kind: draft.kind, edit, zooms, save: () => submit(false), onStep });
  const [canDraw, noun] = [draft.kind === "boxes", draft.kind === "masks" ? "mask" : "box"];
  return (
    <div className={styles.columns}>
      <section className={styles.view} aria-label="the image">
        <div
          ref={frame}
          className={styles.frame}
          style={{ maxWidth: `calc(${image.width / image.height} * 74dvh)` }}
          tabIndex={zooms.zoom > 1 ? 0 : undefined}
          role="group"
          aria-label="the image, which scrolls when it is enlarged"
        >
          <Canvas
            src={pixelsOf(place.name, place.number, image, zooms.zoom > 1 ? 2048 : 1280)}
            alt={`${image.image}: ${hasObjects(draft.kind) ? counted(edit.now.shapes.length, noun) : edit.now.labels.join(", ") || "no label"}`}
            size={image}
            shapes={edit.now.shapes}
            marks={edit.marks}
            selected={edit.selected}
            drawing={edit.drawing}
            editable={canDraw}
            zoom={zooms.zoom}
            onSelect={edit.select}
            onDraw={edit.draw}
            onMove={edit.move}
          />
        </div>
        <Tools edit={edit} zooms={zooms} canDraw={canDraw} hotkeys={hotkeys} />
        {edit.drawing && (
          <p className="small" role="status">
            Drag over the image from one corner of the new {label} to the other; Escape ends it.
          </p>
        )}
      </section>
      <div className={styles.side}>
        <Gone boxes={edit.gone} />
        <Labels kind={draft.kind} version={draft.version} edit={edit} label={label} suggested={suggested} />
        <SaveForm
          changes={changes.length}
          reason={reason}
          onReason={setReason}
          person={person}
          onPerson={setPerson}
          canSave={canSave}
          isSaved={save.isSuccess}
          error={save.error}
          onSave={submit}
          onStep={onStep}
        />
        <Standing place={place} edits={image.edits} person={person} />
      </div>
    </div>
  );
}

const hasObjects = (kind: Kind) => kind === "boxes" || kind === "masks";
const counted = (number: number, noun: string) => count(number, noun, noun === "box" ? "boxes" : "masks");

function Gone({ boxes }: { boxes: number }) {
  if (boxes === 0) return null;
  return (
    <p role="alert">
      Somebody has removed {boxes === 1 ? "a box" : `${boxes} boxes`} that you changed here; {boxes === 1 ? "that change is" : "these changes are"} dropped.
    </p>
  );
}

function Labels({ kind, version, edit, label, suggested }: { kind: Kind; version: string; edit: ImageDraft; label: string; suggested: string | undefined }) {
  const { chosen, now } = edit;
  const ofObject = chosen?.label ?? (kind === "boxes" ? label : "");
  return (
    <>
      <Classes
        title={titleOf(kind, chosen !== undefined)}
        classes={edit.classes}
        chosen={hasObjects(kind) ? [ofObject] : now.labels}
        suggested={suggested}
        disabled={kind === "masks" && chosen === undefined}
        onChoose={edit.choose}
        onAdd={edit.add}
      />
      {hasObjects(kind) && (
        <Objects now={now} marks={edit.marks} noun={kind === "masks" ? "mask" : "box"} selected={edit.selected} onSelect={edit.select} onDelete={edit.remove} />
      )}
      {kind === "masks" && (
        <p className="small muted">
          Masks are not drawn here; classes, deletions and exclusions are. Draw them in a labelling project:{" "}
          <code>automl-vision label create PROJECT --data {version}</code>
        </p>
      )}
    </>
  );
}

function titleOf(kind: Kind, isChosen: boolean): string {
  if (kind === "label") return "Class";
  if (kind === "labels") return "Labels";
  if (isChosen) return kind === "masks" ? "Class of the chosen mask" : "Class of the chosen box";
  return kind === "masks" ? "Choose a mask to change its class" : "Class of the next box";
}

function Standing({ place, edits, person }: { place: Place; edits: Schemas["EditSummary"][]; person: string }) {
  const judging = useJudging(place, person);
  return (
    <>
      {judging.error !== null && <Problem error={judging.error} refused="This cannot be taken back" />}
      {edits.length > 0 && (
        <section className="stack" aria-label="edits of this image">
          <div className="line spread">
            <h2>{count(edits.length, "edit")} of this image</h2>
            <Link to="/data/$name/$version/edits" params={{ name: place.name, version: String(place.number) }}>
              Review all
            </Link>
          </div>
          <Stands edits={edits} judging={judging} />
        </section>
      )}
    </>
  );
}

function useSave({ name, number }: Place, image: Schemas["ImageEdits"], onSaved: () => void) {
  const params = { path: { name, number } };
  return useMutation({
    mutationFn: async (body: Schemas["NewEdits"]) => {
      const { data } = await api.POST("/api/v1/datasets/{name}/versions/{number}/edits", { params, body });
      return data?.find(({ row }) => row === image.row);
    },
    onSuccess: (made) => {
      if (made === undefined) return;
      const { queryKey } = $api.queryOptions("get", "/api/v1/datasets/{name}/versions/{number}/edits/image", { params });
      queries.setQueriesData<Schemas["ImageEdits"]>({ queryKey: queryKey.slice(0, 2) }, (old) =>
        old?.row === image.row && old.digest === image.digest ? made : old,
      );
      onSaved();
    },
    onSettled: renew,
  });
}
