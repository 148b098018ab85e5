// The images behind a number: each leads to the page of mistakes, with the same filter.
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { Button, Tag } from "../../components/controls";
import { count } from "../../components/format";
import { Gallery } from "../../components/Gallery";
import { runImage, TileLink, TileWait } from "../../components/ImageTile";
import { Problem, Skeleton } from "../../components/states";
import { usePages } from "../../components/usePages";
import type { Search } from "../../router";
import type { TrialName } from "./address";

export type Case = Schemas["Case"];

/** How many images are shown before one asks for all, so that what follows them stays in reach. */
export const FIRST = 24;

/** Which images are wanted: fields of the query of `cases`. */
export interface CaseFilter {
  mistakes?: boolean | undefined;
  suspected?: boolean | undefined;
  true?: string | undefined;
  predicted?: string | undefined;
  label?: string | undefined;
  outcome?: "found" | "missed" | "wrong" | undefined;
  kind?: string | undefined;
  attribute?: string | undefined;
  value?: string | undefined;
  threshold?: number | undefined;
  lowest?: number | undefined;
  highest?: number | undefined;
  before_scaling?: boolean | undefined;
}

/** The images of a split that a filter leaves, page by page. */
export function useCases({ runId, number }: TrialName, split: string | undefined, filter: CaseFilter) {
  return usePages<Case>(["cases", runId, number, split, filter], async (cursor, limit) => {
    const { data } = await api.GET("/api/v1/runs/{run_id}/trials/{number}/cases", {
      params: { path: { run_id: runId, number }, query: { ...known(filter), ...(split === undefined ? {} : { split }), cursor, limit } },
    });
    if (data === undefined) throw new Error("the server did not answer");
    return data;
  });
}

/** A filter without the fields that are not set. */
export function known(filter: CaseFilter): Record<string, never> {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined && value !== false)) as Record<string, never>;
}

/** The fields of the address of the page of mistakes for a filter. */
export function mistakesSearch(filter: CaseFilter, split: string | undefined, row?: number): Search {
  const { mistakes, suspected, ...rest } = filter;
  return {
    ...(known(rest) as Search),
    ...(mistakes === true || suspected === true ? {} : { show: "all" }),
    ...(suspected === true ? { suspected: true } : {}),
    ...(split === undefined ? {} : { split }),
    ...(row === undefined ? {} : { row }),
  };
}

/** A gallery of the images that a filter leaves. */
export function CaseGallery({ trial, split, filter, label }: {
  trial: TrialName;
  split: string | undefined;
  filter: CaseFilter;
  label: string;
}) {
  const { total, at, onNear, error } = useCases(trial, split, filter);
  const [all, setAll] = useState(false);
  if (error !== null) return <Problem error={error} />;
  if (total === undefined) return <Skeleton heights={[200]} />;
  if (total === 0) return <p className="muted">No image.</p>;
  const params = { runId: trial.runId, trial: String(trial.number) };
  return (
    <div className="stack">
      <p className="muted small">{count(total, "image")}, the worst first.</p>
      <Gallery
        total={all ? total : Math.min(total, FIRST)}
        label={label}
        tileWidth={150}
        tileHeight={178}
        onNear={onNear}
        tile={(position) => {
          const one = at(position);
          if (one === undefined) return <TileWait />;
          return (
            <TileLink
              to="/runs/$runId/trials/$trial/mistakes"
              params={params}
              search={mistakesSearch(filter, split, one.row)}
              src={runImage(trial.runId, one.row)}
              alt={`${one.truth}, predicted ${one.predicted}`}
              first={one.truth}
              second={one.is_mistake ? `→ ${one.predicted}` : one.predicted}
              mark={one.suspected !== "" ? <Tag tone="warning">label?</Tag> : null}
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
