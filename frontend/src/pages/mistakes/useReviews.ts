// Decisions about images: read, made and taken back.
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { $api, type Schemas } from "../../api/client";
import type { TrialName } from "../trial/address";

export type Review = Schemas["LabelReview"];
export type Verdict = Review["verdict"];

export function useReviews({ runId, number }: TrialName) {
  const params = { path: { run_id: runId } };
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}/reviews", { params });
  const client = useQueryClient();
  const [made, setMade] = useState<number[]>([]); // rows that were decided here, in order
  const key = $api.queryOptions("get", "/api/v1/runs/{run_id}/reviews", { params }).queryKey;
  const mutation = $api.useMutation("post", "/api/v1/runs/{run_id}/reviews", {
    onSuccess: (reviews) => client.setQueryData(key, reviews),
  });
  const decide = (row: number, verdict: Verdict, suggested: string | null = null) => {
    mutation.mutate({ params, body: { row, trial: number, verdict, suggested: verdict === "label" ? suggested : null } });
    setMade((rows) => (verdict === "undone" ? rows.filter((one) => one !== row) : [...rows.filter((one) => one !== row), row]));
  };
  const known = query.data?.reviews ?? [];
  /** Take the last decision back; returns the row that it was about. */
  const undo = (): number | null => {
    const row = made.at(-1) ?? known.at(-1)?.row;
    if (row === undefined) return null;
    decide(row, "undone");
    return row;
  };
  return {
    reviews: known,
    of: (row: number) => known.find((review) => review.row === row),
    wrongLabels: query.data?.wrong_labels ?? 0,
    decide,
    undo,
    error: (mutation.error ?? query.error) as unknown,
  };
}
