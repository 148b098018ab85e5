import { Tag, type Tone } from "./controls";
import { statusWord } from "./format";

const TONES: Record<string, Tone> = {
  Completed: "good",
  Terminated: "good",
  Failed: "error",
  Interrupted: "warning",
  Canceled: "plain",
  NotStarted: "plain",
  Queued: "plain",
};

/** The status of a run or trial, in a word beside a mark. */
export function Status({ status }: { status: string }) {
  return <Tag tone={TONES[status] ?? "busy"}>{statusWord(status)}</Tag>;
}

/** Whether nothing more happens to a run unless it is resumed. */
export const isAtRest = (status: string) => ["Completed", "Failed", "Canceled", "Interrupted"].includes(status);

/** Whether a run can go on. */
export const canResume = (status: string) => ["Failed", "Canceled", "Interrupted"].includes(status);
