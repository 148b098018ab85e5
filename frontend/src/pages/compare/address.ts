// The two trials that the address of a comparison names: `trials=3,7`, or `trials=RUN:3,RUN:7`.
import type { Search } from "../../router";
import { splitOf, textOf } from "../trial/address";

export interface Compared {
  first: { run: string; trial: number };
  second: { run: string; trial: number };
  split: string | undefined;
}

/** The trials of an address; null where it does not name two. */
export function comparedOf(view: Search, runId: string): Compared | null {
  const found = (textOf(view, "trials") ?? "").split(",").map((name) => {
    const colon = name.lastIndexOf(":");
    const trial = name.slice(colon + 1);
    return { run: colon < 0 ? runId : name.slice(0, colon), trial: /^\d+$/.test(trial) ? Number(trial) : NaN };
  });
  const [first, second] = found;
  if (first === undefined || second === undefined || found.length !== 2) return null;
  if (Number.isNaN(first.trial) || Number.isNaN(second.trial)) return null;
  return { first, second, split: splitOf(view) };
}

/** The query of the API for a comparison. */
export function queryOf({ first, second, split }: Compared) {
  return { trials: `${first.run}:${first.trial},${second.run}:${second.trial}`, ...(split === undefined ? {} : { split }) };
}

/** How the trials are called on the page. */
export function namesOf({ first, second }: Compared): { first: string; second: string } {
  const same = first.run === second.run;
  const name = (one: { run: string; trial: number }) => (same ? `Trial ${one.trial}` : `Trial ${one.trial} of ${one.run}`);
  return { first: name(first), second: name(second) };
}
