// The gallery: any number of images, filtered and sorted by the server, with their annotations.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { $api, type Schemas } from "../../api/client";
import { Button, Select, TextField } from "../../components/controls";
import { count } from "../../components/format";
import { Gallery } from "../../components/Gallery";
import { Problem, Skeleton } from "../../components/states";
import { filterOf, useImages, type Filter } from "./images";
import { LargeImage } from "./LargeImage";
import { Tile } from "./Tile";
import styles from "./version.module.css";

const ANY = "\0any";
const NONE = "\0none";
const ORDERS = [
  { id: "rows", title: "As in the data" },
  { id: "name", title: "Name" },
  { id: "label", title: "Class" },
  { id: "objects", title: "Number of labels" },
  { id: "pixels", title: "Size" },
];

export function Images({ data }: { data: Schemas["VersionDetails"] }) {
  const search = useSearch({ strict: false });
  const navigate = useNavigate();
  const filter = filterOf(search);
  const set = (changes: Record<string, string | boolean | number | undefined>) =>
    void navigate({ to: ".", search: (old) => ({ ...old, ...changes }), replace: true, resetScroll: false });
  const images = useImages(data.name, data.number, filter);
  const positionOf = (row: number) => {
    for (let position = 0; position < (images.total ?? 0); position += 1) if (images.at(position)?.row === row) return position;
    return undefined;
  };
  const open = typeof search.image === "number" ? search.image : null;
  return (
    <div className="stack">
      <Filters data={data} filter={filter} set={set} />
      <p className="line spread" aria-live="polite">
        <span>{images.total === undefined ? " " : count(images.total, "image")}</span>
        {Object.values(filter).some((value) => value !== undefined) && (
          <Button kind="quiet" onPress={() => set({ split: undefined, label: undefined, nolabel: undefined, text: undefined, finding: undefined, order: undefined, descending: undefined })}>
            Show all
          </Button>
        )}
      </p>
      {images.first?.error != null && <Problem error={images.first.error} />}
      {images.total === undefined && images.first?.error == null && <Skeleton heights={[420]} />}
      {images.total !== undefined && (
        <Gallery
          key={JSON.stringify(filter)}
          total={images.total}
          label={`images of ${data.id}`}
          tileWidth={window.innerWidth < 640 ? 150 : 220}
          tileHeight={window.innerWidth < 640 ? 150 : 212}
          onNear={images.near}
          tile={(position) => (
            <Tile name={data.name} number={data.number} image={images.at(position)} onOpen={(row) => set({ image: row })} />
          )}
        />
      )}
      {open !== null && (
        <LargeImage
          name={data.name}
          number={data.number}
          row={open}
          position={positionOf(open)}
          labelsObjects={data.labels_objects}
          onClose={() => set({ image: undefined })}
          onStep={(step) => {
            const position = positionOf(open);
            if (position !== undefined) set({ image: images.at(position + step)?.row ?? open });
          }}
        />
      )}
    </div>
  );
}

function Filters({ data, filter, set }: {
  data: Schemas["VersionDetails"];
  filter: Filter;
  set: (changes: Record<string, string | boolean | number | undefined>) => void;
}) {
  const report = $api.useQuery(
    "get",
    "/api/v1/datasets/{name}/versions/{number}/report",
    { params: { path: { name: data.name, number: data.number } } },
    { enabled: data.findings !== null },
  );
  const findings = (report.data?.findings ?? []).filter(({ cases }) => cases > 0);
  return (
    <div className={styles.filters}>
      <Select
        label="Split"
        value={filter.split ?? ANY}
        onChange={(id) => set({ split: id === ANY ? undefined : id })}
        options={[
          { id: ANY, title: "All splits" },
          ...Object.entries(data.splits).map(([id, n]) => ({ id, title: `${id.replace("_", " ")} (${n.toLocaleString("en-US")})` })),
        ]}
      />
      <Select
        label="Class"
        value={filter.label === undefined ? ANY : filter.label === "" ? NONE : filter.label}
        onChange={(id) => set({ label: id === ANY || id === NONE ? undefined : id, nolabel: id === NONE ? true : undefined })}
        options={[
          { id: ANY, title: "All classes" },
          ...data.classes.map(({ name }) => ({ id: name, title: name })),
          { id: NONE, title: "Without a label" },
        ]}
      />
      {findings.length > 0 && (
        <Select
          label="Finding"
          value={filter.finding ?? ANY}
          onChange={(id) => set({ finding: id === ANY ? undefined : id })}
          options={[{ id: ANY, title: "All images" }, ...findings.map(({ check, count: n }) => ({ id: check, title: `${check} (${n})` }))]}
        />
      )}
      <Select
        label="Order"
        value={filter.order ?? "rows"}
        options={filter.finding === undefined ? ORDERS : [{ id: "rows", title: "Worst first" }, ...ORDERS.slice(1)]}
        onChange={(id) => set({ order: id === "rows" ? undefined : id })}
      />
      <div>
        <Button
          aria-label={filter.descending ? "turn to ascending order" : "turn to descending order"}
          onPress={() => set({ descending: filter.descending ? undefined : true })}
        >
          {filter.descending ? "↓" : "↑"}
        </Button>
      </div>
      <TextFilter value={filter.text ?? ""} onChange={(text) => set({ text: text || undefined })} />
    </div>
  );
}

/** The filter by path; it waits until typing pauses. */
function TextFilter({ value, onChange }: { value: string; onChange: (text: string) => void }) {
  const [typed, setTyped] = useState(value);
  useEffect(() => {
    if (typed === value) return;
    const timer = window.setTimeout(() => onChange(typed), 300);
    return () => window.clearTimeout(timer);
  });
  return <TextField label="Path contains" value={typed} onChange={setTyped} />;
}
