// One image of a version to fix: its class or boxes, with its neighbours in the gallery or finding that one came from.
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { $api } from "../api/client";
import { Button, ButtonLink } from "../components/controls";
import { Page } from "../components/Page";
import { Answer, Skeleton } from "../components/states";
import { useEdits, usePlace } from "./edits/api";
import type { Place } from "./edits/draft";
import { Editor } from "./edits/Editor";
import { filterOf, useImages } from "./version/images";

export default function EditImagePage() {
  const place = usePlace();
  const search = useSearch({ strict: false });
  const text = (name: string) => (search[name] === undefined ? undefined : String(search[name]));
  const row = typeof search.row === "number" ? search.row : undefined;
  const draft = useEdits(place, 1);
  const image = $api.useQuery("get", "/api/v1/datasets/{name}/versions/{number}/edits/image", {
    params: {
      path: { name: place.name, number: place.number },
      query: row === undefined ? { image: text("image") ?? "", digest: text("digest") ?? "" } : { row },
    },
  });
  const walk = useWalk(place, image.data?.row);
  const [label, setLabel] = useState("");
  const edits = Object.values(draft.data?.verdicts ?? {}).reduce((sum, one) => sum + one, 0);
  const id = `${place.name}:${place.number}`;
  const params = { name: place.name, version: String(place.number) };
  return (
    <Page
      title="Fix labels"
      summary={<p className="small muted" style={{ overflowWrap: "anywhere" }}>{image.data?.image ?? "\u00a0"}</p>}
      trail={
        <>
          <Link to="/data">Data</Link> /{" "}
          <Link to="/data/$name/$version" params={params}>
            {id}
          </Link>{" "}
          /{" "}
          <Link to="/data/$name/$version/edits" params={params}>
            Edits
          </Link>
        </>
      }
      actions={
        <>
          <Neighbours walk={walk} />
          <ButtonLink to="/data/$name/$version/edits" params={params}>
            Review edits{edits > 0 && ` (${edits.toLocaleString("en-US")})`}
          </ButtonLink>
        </>
      }
    >
      <Answer query={draft} loading={<Skeleton heights={[480]} />}>
        {(found) => (
          <Answer query={image} loading={<Skeleton heights={[480]} />}>
            {(shown) => (
              <Editor
                key={shown.row}
                place={place}
                draft={found}
                image={shown}
                label={label || (shown.after.objects[0]?.label ?? found.classes[0] ?? "")}
                onLabel={setLabel}
                suggested={text("suggest")}
                why={text("why") ?? ""}
                first={typeof search.object === "number" ? search.object : null}
                onStep={walk.go}
              />
            )}
          </Answer>
        )}
      </Answer>
    </Page>
  );
}

/** The images around one: of the gallery or finding that the address names, or of the whole version. */
function useWalk({ name, number }: Place, row: number | undefined) {
  const search = useSearch({ strict: false });
  const navigate = useNavigate();
  const filter = filterOf(search);
  const { at: imageAt, total, near } = useImages(name, number, filter);
  const isWhole = Object.values(filter).every((value) => value === undefined);
  const at = typeof search.at === "number" ? search.at : isWhole ? row : undefined;
  useEffect(() => {
    if (at !== undefined) near(at + 1);
  }, [at, near]);
  const next = (by: number) => (at === undefined || at + by < 0 ? undefined : imageAt(at + by)?.row);
  const go = (by: number) => {
    const to = next(by);
    if (to === undefined || at === undefined) return;
    const known = { row: to, at: at + by, image: undefined, digest: undefined, suggest: undefined, why: undefined, object: undefined };
    void navigate({ to: ".", search: (old) => ({ ...old, ...known }), replace: true, resetScroll: false });
  };
  const leads = next(1) !== undefined || next(-1) !== undefined;
  return { at, total, next, go: leads ? go : null };
}

function Neighbours({ walk: { at, total, next, go } }: { walk: ReturnType<typeof useWalk> }) {
  if (at === undefined || total === undefined) return null;
  return (
    <span className="line">
      <Button onPress={() => go?.(-1)} isDisabled={next(-1) === undefined} aria-label="previous image">
        ←
      </Button>
      <span className="muted small numbers">
        {(at + 1).toLocaleString("en-US")} of {total.toLocaleString("en-US")}
      </span>
      <Button onPress={() => go?.(1)} isDisabled={next(1) === undefined} aria-label="next image">
        →
      </Button>
    </span>
  );
}
