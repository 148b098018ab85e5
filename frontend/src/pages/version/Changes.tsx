// What differs from a version before, by image.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { $api, type Schemas } from "../../api/client";
import { Button, Select } from "../../components/controls";
import { CopyView } from "../../components/CopyView";
import { count } from "../../components/format";
import { Answer } from "../../components/states";
import { pixelsOf } from "./images";
import { MadeWith } from "./MadeWith";
import styles from "./version.module.css";

const KINDS = ["added", "removed", "relabelled", "moved"] as const;
type Kind = (typeof KINDS)[number];

export function Changes({ data }: { data: Schemas["VersionDetails"] }) {
  const search = useSearch({ strict: false });
  const navigate = useNavigate();
  const before = data.versions.filter(({ number }) => number < data.number).toReversed();
  const since = Number(search.since ?? before[0]?.number ?? 0);
  const kind = KINDS.find((one) => one === search.kind);
  const limit = Number(search.shown ?? 60);
  const set = (changes: Record<string, string | number | undefined>) =>
    void navigate({ to: ".", search: (old) => ({ ...old, ...changes }), replace: true, resetScroll: false });
  const path = { name: data.name, number: data.number };
  const counted = $api.useQuery("get", "/api/v1/datasets/{name}/versions/{number}/changes", {
    params: { path, query: { since, limit: 1 } },
  });
  const shown: Kind = kind ?? KINDS.find((one) => (counted.data?.counts[one] ?? 0) > 0) ?? "relabelled";
  const query = $api.useQuery("get", "/api/v1/datasets/{name}/versions/{number}/changes", {
    params: { path, query: { since, kind: shown, limit } },
  });
  return (
    <div className="stack">
      <div className="line spread">
        <Select
          label="Since version"
          value={String(since)}
          options={before.map(({ number }) => ({ id: String(number), title: String(number) }))}
          onChange={(id) => set({ since: Number(id) })}
        />
        <CopyView copies={{ command: `automl-vision data compare ${data.name}:${since} ${data.id}` }} />
      </div>
      <MadeWith name={data.name} number={data.number} />
      <Answer query={query}>
        {(changes) => (
          <>
            <div className="line" role="group" aria-label="kind of change">
              {KINDS.map((one) => (
                <Button key={one} kind={one === shown ? "primary" : "plain"} isDisabled={!changes.counts[one]} onPress={() => set({ kind: one, shown: undefined })}>
                  {(changes.counts[one] ?? 0).toLocaleString("en-US")} {one}
                </Button>
              ))}
              <span className="muted">{(changes.counts.unchanged ?? 0).toLocaleString("en-US")} unchanged</span>
            </div>
            {changes.classes_added.length > 0 && <p>New classes: {changes.classes_added.join(", ")}</p>}
            {changes.classes_removed.length > 0 && <p>Gone classes: {changes.classes_removed.join(", ")}</p>}
            {changes.total === 0 && <p className="muted">No image was {shown}.</p>}
            <ul className={styles.strip}>
              {changes.items.map((item) => (
                <li key={`${item.image} ${item.row}`}>
                  <Side data={data} since={since} item={item} />
                  <span className="small">{saidOf(item)}</span>
                </li>
              ))}
            </ul>
            {changes.next !== null && (
              <Button onPress={() => set({ shown: Math.min(500, limit + 120) })}>
                Show more of {count(changes.total, "image")}
              </Button>
            )}
          </>
        )}
      </Answer>
    </div>
  );
}

function Side({ data, since, item }: {
  data: Schemas["VersionDetails"];
  since: number;
  item: Schemas["ChangedImage"];
}) {
  const [number, row] = item.row !== null ? [data.number, item.row] : [since, item.row_before ?? 0];
  return (
    <div className={styles.tile} style={{ height: 150 }}>
      <img src={pixelsOf(data.name, number, { row, digest: "" }, 256)} alt={item.image} loading="lazy" />
      <span title={item.image}>{item.image}</span>
    </div>
  );
}

function saidOf(item: Schemas["ChangedImage"]): string {
  const labels = (names: string[]) => names.join(", ") || "no label";
  const parts = [];
  if (item.row_before === null) return `new in ${item.split_after || "no split"}: ${labels(item.after)}`;
  if (item.row === null) return `was in ${item.split_before || "no split"}: ${labels(item.before)}`;
  if (labels(item.before) !== labels(item.after)) parts.push(`${labels(item.before)} → ${labels(item.after)}`);
  if (item.split_before !== item.split_after) parts.push(`${item.split_before || "no split"} → ${item.split_after.replace("_", " ") || "no split"}`);
  return parts.join("; ") || "objects changed";
}
