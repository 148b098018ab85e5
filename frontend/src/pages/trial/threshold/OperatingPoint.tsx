// The operating point: a threshold, or what it shall achieve, and all that moves with it at once.
import { useDeferredValue, useMemo, useState } from "react";
import { $api, type Schemas } from "../../../api/client";
import { Section } from "../../../components/Page";
import { Answer } from "../../../components/states";
import { textOf, useView, type TrialName } from "../address";
import { Changed } from "./Changed";
import { choose, curveOf, goalText, type Goal } from "./choose";
import { Controls, type Wish } from "./Controls";
import { Decisions } from "./Decisions";
import { measure, states } from "./measure";
import { RateCurve } from "./RateCurve";
import { Rates } from "./Rates";
import { SavePoint } from "./SavePoint";
import { unpack } from "./tables";

type Tables = Schemas["ThresholdTables"];

export function OperatingPoint({ trial, split }: { trial: TrialName; split: string | undefined }) {
  const query = $api.useQuery(
    "get",
    "/api/v1/runs/{run_id}/trials/{number}/thresholds",
    { params: { path: { run_id: trial.runId, number: trial.number }, query: split === undefined ? {} : { split } } },
    { staleTime: Infinity },
  );
  return <Answer query={query}>{(tables) => <Slider key={tables.shown_on} tables={tables} trial={trial} split={split} />}</Answer>;
}

/** What the address says is wanted. */
function wishOf(view: ReturnType<typeof useView>["view"], tables: Tables): Wish {
  const number = (name: string, otherwise: number) => {
    const found = Number(textOf(view, name) ?? NaN);
    return Number.isFinite(found) ? found : otherwise;
  };
  const by = ["precision", "recall", "cost", "f1"].find((one) => one === textOf(view, "by")) as Wish["by"] | undefined;
  const only = tables.classes.indexOf(textOf(view, "of") ?? "");
  return {
    by: by ?? "threshold",
    threshold: Math.min(1, Math.max(0, number("t", tables.own[Math.max(0, only)] ?? 0.5))),
    share: Math.min(1, Math.max(0.01, number("want", 0.9))),
    cautious: textOf(view, "cautious") === "true",
    false: Math.max(0, number("false", 1)),
    missed: Math.max(0, number("missed", 1)),
    only: only < 0 ? null : only,
  };
}

function goalOf(wish: Wish): Goal | null {
  if (wish.by === "threshold") return null;
  if (wish.by === "f1") return { by: "f1" };
  if (wish.by === "cost") return { by: "cost", false: wish.false, missed: wish.missed };
  return { by: wish.by, value: wish.share, cautious: wish.cautious };
}

/** The thresholds that a wish asks for; null where none achieves it. */
function useThreshold(wish: Wish, table: ReturnType<typeof unpack>): number | null {
  const { only } = wish;
  const isGiven = wish.by === "threshold";
  const curve = useMemo(() => (isGiven ? null : curveOf(table, only)), [isGiven, table, only]);
  const goal = goalOf(wish);
  return goal === null || curve === null ? wish.threshold : choose(curve, goal);
}

function Slider({ tables, trial, split }: { tables: Tables; trial: TrialName; split: string | undefined }) {
  const { view, set } = useView();
  const [wish, setWish] = useState(() => wishOf(view, tables));
  const chooseOn = useMemo(() => unpack(tables.choose, tables.classes.length), [tables]);
  const showOn = useMemo(() => unpack(tables.show, tables.classes.length), [tables]);
  const chosen = useThreshold(wish, chooseOn);
  const thresholds = useMemo(
    () => tables.own.map((own, label) => (chosen !== null && (wish.only === null || wish.only === label) ? chosen : own)),
    [tables.own, chosen, wish.only],
  );
  const measured = useMemo(() => measure(showOn, thresholds, wish.only), [showOn, thresholds, wish.only]);
  const before = useMemo(() => measure(showOn, tables.own, wish.only), [showOn, tables.own, wish.only]);
  const stateBefore = useMemo(() => states(showOn, tables.own), [showOn, tables.own]);
  const stateNow = useMemo(() => states(showOn, thresholds), [showOn, thresholds]);
  const lazily = useDeferredValue(stateNow);
  const change = (changes: Partial<Wish>, done: boolean) => {
    const next = { ...wish, ...changes };
    setWish(next);
    if (done)
      set({
        by: next.by === "threshold" ? undefined : next.by,
        t: next.by === "threshold" ? String(next.threshold) : undefined,
        want: next.by === "precision" || next.by === "recall" ? String(next.share) : undefined,
        cautious: next.cautious ? "true" : undefined,
        false: next.by === "cost" ? String(next.false) : undefined,
        missed: next.by === "cost" ? String(next.missed) : undefined,
        of: next.only === null ? undefined : tables.classes[next.only],
      });
  };
  const goal = goalOf(wish);
  const scope = wish.only === null ? "" : ` for ${tables.classes[wish.only]}`;
  const wanted = goal === null ? `the threshold ${(chosen ?? 0).toFixed(3)}${scope}` : `${goalText(goal)}${scope}`;
  return (
    <>
      <Section title="Operating point">
        <p className="muted small">
          From which {KINDS[tables.kind]} an answer is shown. Chosen on {tables.chosen_on} ({tables.choose.images}), shown on {tables.shown_on} (
          {tables.show.images}), which nothing was chosen on.
        </p>
        <Controls wish={wish} classes={tables.classes} chosen={chosen} onChange={change} />
        {chosen === null && (
          <p role="status">
            No threshold has {goal === null ? "that" : goalText(goal)} on the {tables.chosen_on}; the model's own is kept.
          </p>
        )}
        <Rates measured={measured} before={before} kind={tables.kind} />
        <RateCurve table={showOn} only={wish.only} threshold={chosen} onMove={(threshold, done) => change({ by: "threshold", threshold }, done)} />
        <SavePoint trial={trial} split={split} thresholds={thresholds} wanted={wanted} classes={tables.classes} />
      </Section>
      <Decisions tables={tables} table={showOn} thresholds={thresholds} />
      <Changed trial={trial} split={split} table={showOn} kind={tables.kind} shownOn={tables.shown_on} before={stateBefore} now={lazily} />
    </>
  );
}

const KINDS: Record<Tables["kind"], string> = {
  label: "probability",
  labels: "probability of a label",
  boxes: "score",
  masks: "score",
};
