// What a page shows is in its address: reading it, changing a part of it.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useState } from "react";
import type { Search } from "../router";

/** The view as the address says it, and a function that changes parts of it; undefined takes a part out. */
export function useView(): [Search, (change: Search) => void] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const change = useCallback(
    (parts: Search) =>
      void navigate({ to: ".", search: (old: Search) => ({ ...old, ...parts }), replace: true, resetScroll: false }),
    [navigate],
  );
  return [search, change];
}

/** A part of the view as a text; empty where it is not given. */
export function textOf(value: Search[string]): string {
  return value === undefined ? "" : String(value);
}

/** A part of the view as a list of texts, which the address has with commas. */
export function listOf(value: Search[string]): string[] {
  return textOf(value).split(",").filter((part) => part !== "");
}

/** A list as a part of the view; undefined if it is empty. */
export function listPart(values: (string | number)[]): string | undefined {
  return values.length === 0 ? undefined : values.join(",");
}

/** A positive number of the view; undefined if it is none. */
export function positiveOf(value: Search[string]): number | undefined {
  const number = Number(value);
  return value !== undefined && Number.isFinite(number) && number > 0 ? number : undefined;
}

/** The time in milliseconds, which passes every `every` milliseconds; 0 stops it. */
export function useNow(every: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (every === 0) return;
    const timer = window.setInterval(() => setNow(Date.now()), every);
    return () => window.clearInterval(timer);
  }, [every]);
  return now;
}

/** A text that follows another one once that rests for a moment, such as the words of a filter. */
export function useSettled(text: string, onSettled: (text: string) => void): [string, (text: string) => void] {
  const [draft, setDraft] = useState(text);
  const [known, setKnown] = useState(text);
  if (text !== known) {
    setKnown(text);
    setDraft(text);
  }
  useEffect(() => {
    if (draft === known) return;
    const timer = window.setTimeout(() => onSettled(draft), 250);
    return () => window.clearTimeout(timer);
  }, [draft, known, onSettled]);
  return [draft, setDraft];
}
