// The job that is being written: kept in this tab until it is started, so that a reload loses nothing.
import { useCallback, useState } from "react";
import type { Schemas } from "../../api/client";

export type Values = Record<string, unknown>;
export type Path = (string | number)[];
export type JobForm = Schemas["JobForm"];
export type PlannedJob = Schemas["PlannedJob"];
export type Fault = { path: Path; sentence: string };
export type Property = {
  type?: string | string[];
  anyOf?: Property[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  description?: string;
  title?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
};

const KEY = "automl-vision-job";
export const START: Values = { experiment_timeout_hours: 0.3333 };

function stored(): Values {
  try {
    const found: unknown = JSON.parse(window.sessionStorage.getItem(KEY) ?? "null");
    return isValues(found) ? found : START;
  } catch {
    return START;
  }
}

/** The draft, and how it is changed. */
export function useDraft(): [Values, (change: (values: Values) => Values) => void] {
  const [values, setValues] = useState(stored);
  const change = useCallback((to: (values: Values) => Values) => {
    setValues((before) => {
      const after = to(before);
      window.sessionStorage.setItem(KEY, JSON.stringify(after));
      return after;
    });
  }, []);
  return [values, change];
}

/** Forget the draft, once its run has started. */
export function forgetDraft() {
  window.sessionStorage.removeItem(KEY);
}

export function isValues(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Values with one of them replaced, or removed by undefined; mappings on the way are made. */
export function withValue(values: Values, path: Path, value: unknown): Values {
  const [first, ...rest] = path;
  if (first === undefined) return isValues(value) ? value : {};
  if (rest.length === 0 && value === undefined) {
    return Object.fromEntries(Object.entries(values).filter(([name]) => name !== String(first)));
  }
  const before = values[String(first)];
  if (rest.length === 0) return { ...values, [String(first)]: value };
  if (Array.isArray(before)) {
    const [index, ...inner] = rest as [number, ...Path];
    const items: unknown[] = before;
    const changed = items.map((item, i) => (i === index ? inner.length === 0 ? value : withValue(isValues(item) ? item : {}, inner, value) : item));
    return { ...values, [String(first)]: changed };
  }
  return { ...values, [String(first)]: withValue(isValues(before) ? before : {}, rest, value) };
}

/** The value at a path. */
export function valueAt(values: unknown, path: Path): unknown {
  let found: unknown = values;
  for (const part of path) {
    if (isValues(found)) found = found[String(part)];
    else if (Array.isArray(found)) found = (found as unknown[])[Number(part)];
    else return undefined;
  }
  return found;
}

/** A space that was given as a list of alternatives, as the choice that it stands for. */
export function withMappedSpace(values: Values): Values {
  const space = valueAt(values, ["hyperparameter_sampling", "space"]);
  if (!Array.isArray(space)) return values;
  return withValue(values, ["hyperparameter_sampling", "space"], { alternatives: { type: "choice", values: space as unknown[] } });
}

const samePath = (a: Path, b: Path) => a.length === b.length && a.every((part, i) => String(part) === String(b[i]));

/** What is wrong with the value at a path, without the names that the field shows already. */
export function faultAt(faults: Fault[], path: Path): string | undefined {
  const found = faults.filter((fault) => samePath(fault.path, path));
  if (found.length === 0) return undefined;
  return found.map((fault) => bare(fault)).join(" ");
}

/** A sentence without the path in front of it. */
export function bare({ path, sentence }: Fault): string {
  const names = new Set(path.map(String));
  let rest = sentence;
  for (;;) {
    const [start, place] = /^([\w.[\]]+): /.exec(rest) ?? [];
    if (start === undefined || place === undefined) return rest;
    if (!place.split(/[.[\]]+/).every((part) => part === "" || names.has(part))) return rest;
    rest = rest.slice(start.length);
  }
}

/** Text of a person as a value: numbers, flags and nothing are recognised, all else stays text. */
export function parsed(text: string): unknown {
  const bareText = text.trim();
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(bareText)) return Number(bareText);
  if (bareText === "true" || bareText === "false") return bareText === "true";
  return text;
}

/** A value as a person types it. */
export function typed(value: unknown): string {
  return value === undefined || value === null ? "" : Array.isArray(value) ? value.map(typed).join(", ") : String(value as string);
}

/** The part of a property's schema that is not null. */
export function known(property: Property): Property {
  const options = property.anyOf?.filter((option) => option.type !== "null") ?? [];
  return options.length === 1 ? { ...property, ...options[0] } : property;
}

/** What a number may be, such as "above 0, at most 1". */
export function limits(property: Property): string {
  const found = known(property);
  const parts: [string, number | undefined][] = [
    ["at least", found.minimum],
    ["above", found.exclusiveMinimum],
    ["at most", found.maximum],
    ["below", found.exclusiveMaximum],
  ];
  return parts
    .filter(([, limit]) => limit !== undefined)
    .map(([words, limit]) => `${words} ${limit?.toLocaleString("en-US", { maximumFractionDigits: 9 })}`)
    .join(", ");
}
