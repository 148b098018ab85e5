// Edits of one image that stand: what each does, who says so and why, and what can be done about it.
import { useMutation } from "@tanstack/react-query";
import { api, type Schemas } from "../../api/client";
import { Button, Tag } from "../../components/controls";
import { moment } from "../../components/format";
import { renew } from "./api";
import type { Place } from "./draft";
import styles from "./edits.module.css";

type Edit = Schemas["EditSummary"];

const TONES = { open: "plain", accepted: "good", rejected: "error" } as const;
const WORDS = { open: "to review", accepted: "accepted", rejected: "rejected" };

/** Verdicts and withdrawals, with what failed. */
export function useJudging({ name, number }: Place, person: string) {
  const path = { name, number };
  const review = useMutation({
    mutationFn: ({ edits, verdict }: { edits: string[]; verdict: Edit["verdict"] }) =>
      api.POST("/api/v1/datasets/{name}/versions/{number}/edits/reviews", { params: { path }, body: { edits, verdict, reviewer: person } }),
    onSettled: renew,
  });
  const undo = useMutation({
    mutationFn: (edit_id: string) =>
      api.POST("/api/v1/datasets/{name}/versions/{number}/edits/{edit_id}/undo", { params: { path: { ...path, edit_id } }, body: { author: person } }),
    onSettled: renew,
  });
  return {
    review: (edits: string[], verdict: Edit["verdict"]) => review.mutate({ edits, verdict }),
    undo: (edit: string) => undo.mutate(edit),
    error: (review.error ?? undo.error) as unknown,
    isBusy: review.isPending || undo.isPending || person.trim() === "",
  };
}

export function Stands({ edits, judging, reviews = false }: { edits: Edit[]; judging: ReturnType<typeof useJudging>; reviews?: boolean }) {
  return (
    <ul className={styles.stand}>
      {edits.map((edit) => (
        <li key={edit.id}>
          <span className={styles.what}>
            <strong>{edit.what}</strong> <Tag tone={TONES[edit.verdict]}>{WORDS[edit.verdict]}</Tag>
            <br />
            <span className="small">
              {edit.reason} <span className="muted">· {edit.author}, {moment(edit.time)}{edit.reviewer !== "" && `, reviewed by ${edit.reviewer}`}</span>
            </span>
          </span>
          <span className={styles.buttons}>
            {reviews && edit.verdict !== "accepted" && (
              <Button onPress={() => judging.review([edit.id], "accepted")} isDisabled={judging.isBusy} aria-label={`Accept: ${edit.what}`}>
                Accept
              </Button>
            )}
            {reviews && edit.verdict !== "rejected" && (
              <Button onPress={() => judging.review([edit.id], "rejected")} isDisabled={judging.isBusy} aria-label={`Reject: ${edit.what}`}>
                Reject
              </Button>
            )}
            <Button kind="quiet" onPress={() => judging.undo(edit.id)} isDisabled={judging.isBusy} aria-label={`Take back: ${edit.what}`}>
              Take back
            </Button>
          </span>
        </li>
      ))}
    </ul>
  );
}
