// The very images that change sides when the threshold moves.
import { useMemo, useState } from "react";
import type { Schemas } from "../../../api/client";
import { Gallery } from "../../../components/Gallery";
import { runImage, TileLink } from "../../../components/ImageTile";
import { Section } from "../../../components/Page";
import type { TrialName } from "../address";
import pageStyles from "../trial.module.css";
import { MISSED, RIGHT, WRONG } from "./measure";
import type { Table } from "./tables";

type Kind = Schemas["ThresholdTables"]["kind"];

function words(kind: Kind): Record<number, string> {
  return { [RIGHT]: "right", [MISSED]: kind === "label" ? "left to a person" : "something missed", [WRONG]: kind === "label" ? "wrong" : "something wrong" };
}

export function Changed({ trial, split, table, kind, shownOn, before, now }: {
  trial: TrialName;
  split: string | undefined;
  table: Table;
  kind: Kind;
  shownOn: string;
  before: Uint8Array;
  now: Uint8Array;
}) {
  const groups = useMemo(() => {
    const found: Record<number, number[]> = { [RIGHT]: [], [WRONG]: [], [MISSED]: [] };
    now.forEach((state, image) => {
      if (state !== before[image]) found[state]?.push(image);
    });
    return found;
  }, [before, now]);
  const [wanted, setWanted] = useState<number | null>(null);
  const full = [RIGHT, WRONG, MISSED].filter((state) => (groups[state]?.length ?? 0) > 0);
  const shown = wanted !== null && full.includes(wanted) ? wanted : full[0];
  const images = shown === undefined ? [] : (groups[shown] ?? []);
  const name = words(kind);
  return (
    <Section title="Images that change sides">
      {shown === undefined ? (
        <p className="muted">None: with the model's own threshold every image is on the same side.</p>
      ) : (
        <>
          <div className={pageStyles.segments} role="group" aria-label="which images">
            {[RIGHT, WRONG, MISSED].map((state) => (
              <button key={state} type="button" aria-pressed={state === shown} disabled={!full.includes(state)} onClick={() => setWanted(state)}>
                now {name[state]}: {groups[state]?.length ?? 0}
              </button>
            ))}
          </div>
          <p className="muted small">Compared with the model's own threshold, on the {shownOn}.</p>
          <Gallery
            total={images.length}
            label="images that change sides"
            tileWidth={130}
            tileHeight={150}
            tile={(position) => {
              const image = images[position] ?? 0;
              const row = table.rows[image] ?? 0;
              return (
                <TileLink
                  to="/runs/$runId/trials/$trial/mistakes"
                  params={{ runId: trial.runId, trial: String(trial.number) }}
                  search={{ show: "all", row, ...(split === undefined ? {} : { split }) }}
                  src={runImage(trial.runId, row)}
                  alt={`image ${row}`}
                  first={`was ${name[before[image] ?? RIGHT]}`}
                />
              );
            }}
          />
        </>
      )}
    </Section>
  );
}
