// One image and what can be changed in it. Steps wait in this browser until they are saved as edits with a reason.
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { $api, api, queries, type Schemas } from "../../api/client";
import { Button, TextField } from "../../components/controls";
import { count } from "../../components/format";
import { Hotkeys } from "../../components/Hotkeys";
import type { Hotkey } from "../../components/hotkeys";
import { Problem } from "../../components/states";
import { pixelsOf } from "../version/images";
import { renew } from "./api";
import { Canvas } from "./Canvas";
import { Classes } from "./Classes";
import { changesOf, labelledOf, lost, marksOf, newKey, replay, storedSteps, storeSteps, withStep, type Key, type Place, type Step } from "./draft";
import { middle, moved, resized, ZOOMS, zoomFor, type Box, type Point } from "./geometry";
import { Objects } from "./Objects";
import { usePerson, useReason } from "./person";
import { Stands, useJudging } from "./Stands";
import styles from "./edits.module.css";

const ARROWS: Record<string, Point> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function Editor({ place, draft, image, label, onLabel, suggested, why, first, onStep }: {
  place: Place;
  draft: Schemas["EditDraft"];
  image: Schemas["ImageEdits"];
  label: string; // of the next box
  onLabel: (label: string) => void;
  suggested: string | undefined;
  why: string; // a reason to begin with
  first: Key | null; // the box that is chosen to begin with
  onStep: ((step: number) => void) | null; // to another image
}) {
  const [steps, setSteps] = useState<Step[]>(() => storedSteps(place, image.row));
  const [selected, setSelected] = useState<Key | null>(first);
  const [drawing, setDrawing] = useState(false);
  const [zoom, setZoom] = useState(() => {
    const box = first === null ? null : (labelledOf(image.after).shapes.find(({ key }) => key === first)?.box ?? null);
    return box === null ? 1 : zoomFor(box, image);
  });
  const [added, setAdded] = useState<string[]>([]);
  const [person, setPerson] = usePerson(draft.account);
  const [reason, setReason] = useReason(draft.version, why);
  const judging = useJudging(place, person);

  const base = labelledOf(image.after);
  const now = replay(base, steps);
  const changes = changesOf(image.image, base, now);
  const marks = marksOf(labelledOf(image.before), now);
  const gone = lost(base, steps).length;
  const hasObjects = draft.kind === "boxes" || draft.kind === "masks";
  const canDraw = draft.kind === "boxes";
  const chosen = now.shapes.find(({ key }) => key === selected);
  const classes = [...draft.classes, ...added.filter((one) => !draft.classes.includes(one))];

  const frame = useRef<HTMLDivElement>(null);
  const center = useEffectEvent(() => {
    if (frame.current === null) return;
    const [x1, y1, x2, y2] = chosen?.box ?? [0, 0, image.width, image.height];
    const { scrollWidth, scrollHeight, clientWidth, clientHeight } = frame.current;
    const left = ((x1 + x2) / 2 / image.width) * scrollWidth - clientWidth / 2;
    frame.current.scrollTo({ left, top: ((y1 + y2) / 2 / image.height) * scrollHeight - clientHeight / 2 });
  });
  useEffect(() => center(), [zoom]); // what is enlarged stays in sight

  const keep = (next: Step[]) => {
    setSteps(next);
    storeSteps(place, image.row, image.image, next);
  };
  const step = (next: Step, merges = false) => keep(withStep(steps, next, merges));
  const undo = () => keep(steps.slice(0, -1));
  const draw = (box: Box) => {
    const key = newKey(steps);
    step({ do: "draw", key, label, box });
    setSelected(key);
    setDrawing(false);
  };
  const remove = (key: Key) => {
    step({ do: "delete", key });
    if (key === selected) setSelected(null);
  };
  const exclude = () => (steps.some((one) => one.do === "exclude") ? keep(steps.filter((one) => one.do !== "exclude")) : step({ do: "exclude" }));
  const choose = (name: string) => {
    if (!hasObjects) {
      const isOff = now.labels.includes(name);
      const several = [...classes, name].filter((one, i, all) => all.indexOf(one) === i && (one === name ? !isOff : now.labels.includes(one)));
      step({ do: "labels", labels: draft.kind === "label" ? [name] : several });
    } else if (chosen !== undefined) {
      step({ do: "relabel", key: chosen.key, label: name });
      onLabel(name);
    } else onLabel(name);
  };
  const save = useSave(place, image, () => {
    keep([]);
    setSelected(null);
  });
  const canSave = changes.length > 0 && person.trim() !== "" && reason.trim() !== "" && !save.isPending;
  const submit = (goOn: boolean) => {
    if (!canSave) return;
    const known = new Set(draft.classes);
    const new_classes = changes.some(({ labels }) => (labels ?? []).some((one) => !known.has(one)));
    save.mutate({ changes, author: person, reason, new_classes }, goOn && onStep !== null ? { onSuccess: () => onStep(1) } : {});
  };
  const nudge = ({ key, shiftKey }: KeyboardEvent) => {
    if (chosen?.box == null) return;
    const by = Math.max(1, Math.round(Math.max(image.width, image.height) / 400));
    const [dx, dy] = (ARROWS[key] ?? [0, 0]).map((one) => one * by) as Point;
    step({ do: "move", key: chosen.key, box: shiftKey ? resized(chosen.box, "se", dx, dy, image) : moved(chosen.box, dx, dy, image) }, true);
  };
  const another = (by: number) => {
    const at = now.shapes.findIndex(({ key }) => key === selected);
    const next = now.shapes[(at + by + now.shapes.length) % Math.max(1, now.shapes.length)];
    if (next !== undefined) setSelected(at < 0 && by < 0 ? (now.shapes.at(-1)?.key ?? null) : next.key);
  };
  const closer = (by: number) => setZoom(ZOOMS[Math.min(ZOOMS.length - 1, Math.max(0, ZOOMS.indexOf(zoom) + by))] ?? 1);

  const hotkeys: Hotkey[] = [
    ...classes.slice(0, 9).map((name, i) => ({ keys: [String(i + 1)], title: name, run: () => choose(name) })),
    ...(canDraw
      ? [
          { keys: ["n"], title: "Draw a box: drag over the image", run: () => setDrawing(!drawing) },
          { keys: ["b"], title: "Put a box in the middle, to move it with the arrow keys", run: () => draw(middle(image)) },
        ]
      : []),
    ...(hasObjects
      ? [
          { keys: ["."], title: "Next box", run: () => another(1) },
          { keys: [","], title: "Box before", run: () => another(-1) },
          { keys: ["Delete", "Backspace", "d"], title: "Delete the chosen box", run: () => chosen !== undefined && remove(chosen.key) },
        ]
      : []),
    ...(canDraw && chosen !== undefined
      ? [{ keys: Object.keys(ARROWS), title: "Move the chosen box, with Shift its bottom right corner", run: nudge }]
      : onStep === null
        ? []
        : [
            { keys: ["ArrowRight"], title: "Next image; with a chosen box the arrow keys move it", run: () => onStep(1) },
            { keys: ["ArrowLeft"], title: "Image before", run: () => onStep(-1) },
          ]),
    { keys: ["x"], title: "Leave the image out", run: exclude },
    { keys: ["u"], title: "Undo the last step", run: undo },
    { keys: ["s"], title: "Save the changes", run: () => submit(false) },
    { keys: ["+"], title: "Enlarge", run: () => closer(1) },
    { keys: ["-"], title: "Show more", run: () => closer(-1) },
    { keys: ["Escape"], title: "Choose nothing, draw nothing", run: () => (setSelected(null), setDrawing(false)) },
  ];
  const noun = draft.kind === "masks" ? "mask" : "box";
  return (
    <div className={styles.columns}>
      <section className={styles.view} aria-label="the image">
        <div ref={frame} className={styles.frame} style={{ maxWidth: `calc(${image.width / image.height} * 74dvh)` }} tabIndex={zoom > 1 ? 0 : undefined} role="group" aria-label="the image, which scrolls when it is enlarged">
          <Canvas
            src={pixelsOf(place.name, place.number, image, zoom > 1 ? 2048 : 1280)}
            alt={`${image.image}: ${hasObjects ? count(now.shapes.length, noun, noun === "box" ? "boxes" : "masks") : now.labels.join(", ") || "no label"}`}
            size={image}
            shapes={now.shapes}
            marks={marks}
            selected={selected}
            drawing={drawing}
            editable={canDraw}
            zoom={zoom}
            onSelect={setSelected}
            onDraw={draw}
            onMove={(key, box) => step({ do: "move", key, box })}
          />
        </div>
        <div className={styles.tools}>
          <span className={styles.buttons}>
            {canDraw && (
              <Button kind={drawing ? "primary" : "plain"} onPress={() => setDrawing(!drawing)} aria-pressed={drawing} aria-keyshortcuts="N">
                Draw a box
              </Button>
            )}
            <Button onPress={undo} isDisabled={steps.length === 0} aria-keyshortcuts="U">
              Undo
            </Button>
            <Button onPress={exclude} isDisabled={base.excluded} aria-pressed={now.excluded} kind={now.excluded ? "primary" : "plain"} aria-keyshortcuts="X">
              {now.excluded ? "Left out" : "Leave out"}
            </Button>
          </span>
          <span className={styles.buttons}>
            <Button onPress={() => closer(-1)} isDisabled={zoom === 1} aria-label="show more">−</Button>
            <Button onPress={() => closer(1)} isDisabled={zoom === ZOOMS.at(-1)} aria-label="enlarge">+</Button>
            <Hotkeys hotkeys={hotkeys} />
          </span>
        </div>
        {drawing && <p className="small" role="status">Drag over the image from one corner of the new {label} to the other; Escape ends it.</p>}
      </section>
      <div className={styles.side}>
        {gone > 0 && (
          <p role="alert">
            Somebody has removed {gone === 1 ? "a box" : `${gone} boxes`} that you changed here; {gone === 1 ? "that change is" : "these changes are"} dropped.
          </p>
        )}
        <Classes
          title={titleOf(draft.kind, chosen !== undefined)}
          classes={classes}
          chosen={hasObjects ? [chosen?.label ?? (canDraw ? label : "")] : now.labels}
          suggested={suggested}
          disabled={draft.kind === "masks" && chosen === undefined}
          onChoose={choose}
          onAdd={(name) => {
            setAdded([...added, name]);
            choose(name);
          }}
        />
        {hasObjects && <Objects now={now} marks={marks} noun={noun} selected={selected} onSelect={setSelected} onDelete={remove} />}
        {draft.kind === "masks" && (
          <p className="small muted">
            Masks are not drawn here; classes, deletions and exclusions are. Draw them in a labelling project:{" "}
            <code>automl-vision label create PROJECT --data {draft.version}</code>
          </p>
        )}
        <form
          className={styles.save}
          onSubmit={(event) => {
            event.preventDefault();
            submit(false);
          }}
        >
          <TextField label="Reason" value={reason} onChange={setReason} placeholder="such as: no helmet on it" isRequired />
          <TextField label="Your name" value={person} onChange={setPerson} isRequired />
          {save.error !== null && <Problem error={save.error} />}
          <div className={styles.buttons}>
            <Button type="submit" kind="primary" isDisabled={!canSave} aria-keyshortcuts="S">
              {changes.length === 0 ? "Nothing to save" : `Save ${count(changes.length, "change")}`}
            </Button>
            {onStep !== null && (
              <Button onPress={() => (changes.length === 0 ? onStep(1) : submit(true))} isDisabled={changes.length > 0 && !canSave}>
                {changes.length === 0 ? "Next image" : "Save, next image"}
              </Button>
            )}
          </div>
          <p className="small muted">
            {changes.length > 0 && reason.trim() === ""
              ? "Give a reason to save. Until then the changes are kept in this browser."
              : changes.length > 0
              ? "Kept in this browser until you save; a reload loses nothing."
              : save.isSuccess
                ? "Saved. It counts once it is reviewed."
                : "Saved changes wait for a review, then make the next version. This version stays as it is."}
          </p>
        </form>
        {judging.error !== null && <Problem error={judging.error} />}
        {image.edits.length > 0 && (
          <section className="stack" aria-label="edits of this image">
            <div className="line spread">
              <h2>{count(image.edits.length, "edit")} of this image</h2>
              <Link to="/data/$name/$version/edits" params={{ name: place.name, version: String(place.number) }}>
                Review all
              </Link>
            </div>
            <Stands edits={image.edits} judging={judging} />
          </section>
        )}
      </div>
    </div>
  );
}

function titleOf(kind: Schemas["EditDraft"]["kind"], isChosen: boolean): string {
  if (kind === "label") return "Class";
  if (kind === "labels") return "Labels";
  if (isChosen) return kind === "masks" ? "Class of the chosen mask" : "Class of the chosen box";
  return kind === "masks" ? "Choose a mask to change its class" : "Class of the next box";
}

function useSave(place: Place, image: Schemas["ImageEdits"], onSaved: () => void) {
  const path = { name: place.name, number: place.number };
  return useMutation({
    mutationFn: async (body: Schemas["NewEdits"]) => {
      const { data } = await api.POST("/api/v1/datasets/{name}/versions/{number}/edits", { params: { path }, body });
      return data?.find(({ row }) => row === image.row);
    },
    onSuccess: (made) => {
      if (made === undefined) return;
      queries.setQueriesData<Schemas["ImageEdits"]>(
        { queryKey: $api.queryOptions("get", "/api/v1/datasets/{name}/versions/{number}/edits/image", { params: { path } }).queryKey.slice(0, 2) },
        (old) => (old?.row === image.row && old.digest === image.digest ? made : old),
      );
      onSaved();
    },
    onSettled: renew,
  });
}
