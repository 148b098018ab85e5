// A long list of the API of which only the pages in sight are asked for.
import { useQueries } from "@tanstack/react-query";
import { useState } from "react";

interface PageOf<T> {
  items: T[];
  total: number;
}

const SIZE = 60;
const IN_SIGHT = 90; // tiles that a large screen shows, with those kept ready around them

/** The items of a list by position; `onNear` says how far one has scrolled. */
export function usePages<T>(key: unknown[], load: (cursor: number, limit: number) => Promise<PageOf<T>>) {
  const name = JSON.stringify(key);
  const [near, setNear] = useState({ name, position: 0 });
  const position = near.name === name ? near.position : 0;
  const first = Math.max(0, Math.floor((position - IN_SIGHT) / SIZE));
  const last = Math.floor((position + 12) / SIZE);
  const numbers = [...new Set([0, ...Array.from({ length: last - first + 1 }, (_, i) => first + i)])];
  const queries = useQueries({
    queries: numbers.map((number) => ({
      queryKey: ["pages", name, number],
      queryFn: () => load(number * SIZE, SIZE),
      staleTime: 60_000,
    })),
  });
  const total = queries.find((query) => query.data !== undefined)?.data?.total;
  const at = (wanted: number): T | undefined => {
    const page = numbers.indexOf(Math.floor(wanted / SIZE));
    return page < 0 ? undefined : queries[page]?.data?.items[wanted % SIZE];
  };
  const onNear = (reached: number) => {
    if (reached !== position || near.name !== name) setNear({ name, position: reached });
  };
  return { total, at, onNear, error: queries.find((query) => query.error !== null)?.error ?? null };
}
