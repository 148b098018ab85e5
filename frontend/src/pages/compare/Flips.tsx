// The images on which the two differ, with what each says; one of them large, side by side.
import { useState } from "react";
import { api, $api, type Schemas } from "../../api/client";
import { Button } from "../../components/controls";
import { Gallery } from "../../components/Gallery";
import { runImage, TileButton, TileWait } from "../../components/ImageTile";
import { count } from "../../components/format";
import { Section } from "../../components/Page";
import { Picture } from "../../components/Picture";
import { Answer, Problem, Skeleton } from "../../components/states";
import { usePages } from "../../components/usePages";
import { drawnOf } from "../mistakes/Large";
import { textOf, useView } from "../trial/address";
import { FIRST } from "../trial/CaseGallery";
import { queryOf, type Compared } from "./address";
import styles from "./compare.module.css";
import { Counts, type Side } from "./Verdict";

type Flipped = Schemas["FlippedCase"];
type Details = Schemas["CaseDetails"];

export function Flips({ compared, found, names }: {
  compared: Compared;
  found: Schemas["ComparedTrials"];
  names: { first: string; second: string };
}) {
  const { view, set } = useView();
  const wanted = (["first", "second", "both", "neither"] as const).find((side) => side === textOf(view, "right"));
  const side: Side = wanted ?? (found.only_first >= found.only_second && found.only_first > 0 ? "first" : found.only_second > 0 ? "second" : "neither");
  const row = Number(textOf(view, "row") ?? NaN);
  return (
    <Section title="Where do they differ?">
      <Counts found={found} names={names} shown={side} onShow={(right) => set({ right, row: undefined })} />
      <List key={side} compared={compared} side={side} names={names} row={row} onChoose={(chosen) => set({ row: chosen })} />
    </Section>
  );
}

const TITLES: Record<Side, (names: { first: string; second: string }) => string> = {
  first: (names) => `Only ${names.first} is right`,
  second: (names) => `Only ${names.second} is right`,
  both: () => "Both are right",
  neither: () => "Neither is right",
};

function List({ compared, side, names, row, onChoose }: {
  compared: Compared;
  side: Side;
  names: { first: string; second: string };
  row: number;
  onChoose: (row: number) => void;
}) {
  const query = queryOf(compared);
  const { total, at, onNear, error } = usePages<Flipped>(["flips", query, side], async (cursor, limit) => {
    const { data } = await api.GET("/api/v1/compare/cases", { params: { query: { ...query, right: side, cursor, limit } } });
    if (data === undefined) throw new Error("the server did not answer");
    return data;
  });
  const [all, setAll] = useState(false);
  if (error !== null) return <Problem error={error} />;
  if (total === undefined) return <Skeleton heights={[200]} />;
  const shown = side === "second" ? "first" : "second"; // the trial that is wrong says more
  return (
    <div className="stack">
      <h3>
        {TITLES[side](names)}: {count(total, "image")}
      </h3>
      {Number.isNaN(row) ? (
        total > 0 && <p className="muted small">Choose an image to see both side by side.</p>
      ) : (
        <SideBySide compared={compared} row={row} names={names} />
      )}
      <Gallery
        total={all ? total : Math.min(total, FIRST)}
        label={TITLES[side](names)}
        tileWidth={140}
        tileHeight={182}
        onNear={onNear}
        tile={(position) => {
          const one = at(position);
          if (one === undefined) return <TileWait />;
          return (
            <TileButton
              chosen={one.first.row === row}
              onPress={() => onChoose(one.first.row)}
              src={runImage(compared.first.run, one.first.row)}
              alt={`${one.first.truth}; ${names.first}: ${one.first.predicted}; ${names.second}: ${one.second.predicted}`}
              first={one.first.truth}
              second={`${names[shown]}: ${one[shown].predicted}`}
            />
          );
        }}
      />
      {total > FIRST && !all && (
        <div className="line">
          <Button onPress={() => setAll(true)}>Show all {count(total, "image")}</Button>
        </div>
      )}
    </div>
  );
}

function SideBySide({ compared, row, names }: { compared: Compared; row: number; names: { first: string; second: string } }) {
  const query = $api.useQuery("get", "/api/v1/compare/cases/{row}", { params: { path: { row }, query: queryOf(compared) } });
  return (
    <Answer query={query} loading={<Skeleton heights={[320]} />}>
      {(found) => (
        <div className={styles.pair}>
          <One run={compared.first.run} name={names.first} found={found.first as Details} />
          <One run={compared.second.run} name={names.second} found={found.second as Details} />
        </div>
      )}
    </Answer>
  );
}

function One({ run, name, found }: { run: string; name: string; found: Details }) {
  return (
    <figure className="stack">
      <div style={{ maxWidth: `calc(${found.width / found.height} * 46dvh)` }}>
        <Picture
          src={runImage(run, found.row, 1024)}
          width={found.width}
          height={found.height}
          alt={`${found.image}, as ${name} sees it`}
          objects={drawnOf(found)}
          labels={found.true_objects.length + found.found_objects.length <= 30}
        />
      </div>
      <figcaption>
        <b>{name}</b>: {found.predicted} <span className="muted">(truth: {found.truth})</span>
      </figcaption>
    </figure>
  );
}
