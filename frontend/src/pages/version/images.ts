// Pages of a gallery: those in sight are asked for, and kept for the way back.
import { useQueries } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { $api, addressOf, type Schemas } from "../../api/client";

export type DataImage = Schemas["DataImage"];

export const PAGE = 60;

/** Address of an image's pixels; it changes with the image's contents, so that it can be kept for ever. */
export function pixelsOf(name: string, number: number, image: { row: number; digest: string }, side: number): string {
  const path = `datasets/${encodeURIComponent(name)}/versions/${number}/images/${image.row}/pixels`;
  return addressOf(path, { side, digest: image.digest });
}

export interface Filter {
  split?: string | undefined;
  label?: string | undefined;
  text?: string | undefined;
  finding?: string | undefined;
  order?: "rows" | "name" | "pixels" | "objects" | "label" | undefined;
  descending?: boolean | undefined;
}

/** The filter that the address of a page names. */
export function filterOf(search: Record<string, unknown>): Filter {
  const text = (name: string) => (search[name] === undefined ? undefined : String(search[name]));
  return {
    split: text("split"),
    label: search.nolabel ? "" : text("label"),
    text: text("text"),
    finding: text("finding"),
    order: text("order") as Filter["order"],
    descending: search.descending === true ? true : undefined,
  };
}

/** The numbers of the pages that hold the positions up to `last` of a gallery whose top shows `first`. */
export function pagesOf(first: number, last: number): number[] {
  const from = Math.floor(Math.max(0, first) / PAGE);
  const to = Math.floor(Math.max(0, last) / PAGE);
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** Images of a version by position; `near` says which position has come into sight. */
export function useImages(name: string, number: number, filter: Filter) {
  const [last, setLast] = useState(0);
  const wanted = [...new Set([0, ...pagesOf(last - PAGE, last)])];
  const queries = useQueries({
    queries: wanted.map((page) =>
      $api.queryOptions(
        "get",
        "/api/v1/datasets/{name}/versions/{number}/images",
        {
          params: {
            path: { name, number },
            query: { ...definedOnly(filter), limit: PAGE, cursor: page * PAGE },
          },
        },
        { staleTime: Infinity, gcTime: 60_000 },
      ),
    ),
  });
  const first = queries[0];
  const at = (position: number): DataImage | undefined =>
    queries[wanted.indexOf(Math.floor(position / PAGE))]?.data?.items[position % PAGE];
  return { first, total: first?.data?.total, at, near: useCallback((position: number) => setLast(position), []) };
}

function definedOnly(filter: Filter): Filter {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined && value !== ""));
}
