import type { Schemas } from "../../api/client";
import { count } from "../../components/format";

/** What changes come to, in a sentence. */
export function Counts({ counts }: { counts: Schemas["ChangeCounts"] }) {
  const pairs = (of: Record<string, Schemas["CountPair"]>) =>
    Object.entries(of)
      .filter(([, { before, after }]) => before !== after)
      .map(([what, { before, after }]) => `${what} ${before.toLocaleString("en-US")} → ${after.toLocaleString("en-US")}`)
      .join(", ");
  const [splits, classes] = [pairs(counts.by_split), pairs(counts.by_class)];
  const changes = [
    counts.left_out > 0 && `${count(counts.left_out, "image")} left out`,
    counts.relabelled > 0 && `${count(counts.relabelled, "image")} with other labels`,
  ].filter(Boolean);
  return (
    <p>
      {changes.length === 0 ? "No image changes" : changes.join(", ")}.
      {splits !== "" && ` Images: ${splits}.`}
      {classes !== "" && ` Classes: ${classes}.`}
    </p>
  );
}
