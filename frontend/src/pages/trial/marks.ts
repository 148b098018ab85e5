// The images behind the marks of curves, as fields of the address.
import type { Mark } from "../../charts/plotly";
import type { Search } from "../../router";
import { textOf } from "./address";
import type { CaseFilter } from "./CaseGallery";

/** Fields of the address without any mark. */
export const NO_MARK = { label: undefined, outcome: undefined, threshold: undefined, lowest: undefined, highest: undefined, before_scaling: undefined };

const SCORED = ["roc", "precision_recall", "thresholds", "reliability"];

/** Whether the marks of a figure have images. */
export function hasImages(figure: string): boolean {
  return SCORED.includes(figure);
}

/** What a mark of a figure adds to the address; null for marks without images, such as the first point of a ROC curve. */
export function imagesOf(figure: string, { x, data, series }: Mark): Search | null {
  if (figure === "thresholds") return share(x) === undefined ? null : { ...NO_MARK, threshold: share(x), outcome: "wrong" };
  const [first, second, third] = Array.from((data ?? []) as ArrayLike<unknown>);
  if (figure === "reliability") {
    const [lowest, highest] = [share(second), share(third)];
    if (lowest === undefined || highest === undefined) return null;
    return { ...NO_MARK, lowest, highest, before_scaling: series.curve === "before scaling" ? true : undefined };
  }
  const label = (series.classes as string[] | undefined)?.[Number(second)];
  const threshold = share(first);
  return label === undefined || threshold === undefined ? null : { ...NO_MARK, threshold, label, outcome: "wrong" };
}

/** The part of the filter of images that a mark has put into the address. */
export function markOf(view: Search): Pick<CaseFilter, "threshold" | "lowest" | "highest" | "before_scaling"> {
  const number = (name: string) => {
    const text = textOf(view, name);
    return text === undefined ? undefined : share(Number(text));
  };
  const [lowest, highest] = [number("lowest"), number("highest")];
  const isBin = lowest !== undefined && highest !== undefined;
  return {
    threshold: number("threshold"),
    ...(isBin ? { lowest, highest, before_scaling: textOf(view, "before_scaling") === "true" ? true : undefined } : {}),
  };
}

/** What happens to answers or labels, as the address says it. */
export function outcomeOf(view: Search): CaseFilter["outcome"] {
  const outcome = textOf(view, "outcome");
  return outcome === "found" || outcome === "missed" || outcome === "wrong" ? outcome : undefined;
}

/** A number from 0 to 1; undefined if it is not one. */
function share(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 && value <= 1 ? value : undefined;
}
