import { expect, test } from "vitest";
import { withChange, type LiveRun, type RunChange } from "./useLiveRun";

const change = (parts: Partial<RunChange>): RunChange => ({
  status: "Running", metric: "accuracy", phase: null, budget_left: 60, trials: 1, best: null, best_trial: null,
  has_ended: false, lines: [], messages: [], revision: 1, ...parts,
});
const line = (trial: number, epoch: number) => ({
  trial, epoch, model_name: "m", status: "Running" as const, phase: "", epochs: 3, value: 0.5, curve: [], seconds_left: null, reason: null,
});
const nothing: LiveRun = { state: null, trials: {}, messages: [], receivedAt: 0 };

test("a trial that is sent again replaces itself", () => {
  const first = withChange(nothing, change({ lines: [line(0, 1), line(1, 0)] }), 1);
  const second = withChange(first, change({ lines: [line(0, 2)] }), 2);
  expect(Object.values(second.trials).map((trial) => [trial.trial, trial.epoch])).toEqual([[0, 2], [1, 0]]);
  expect(second.receivedAt).toBe(2);
});

test("the last messages are kept in their order", () => {
  let run = nothing;
  for (let i = 0; i < 30; i += 1) run = withChange(run, change({ messages: [{ time: i, text: String(i), trial: null }] }), i);
  expect(run.messages.map((message) => message.text)).toEqual(Array.from({ length: 20 }, (_, i) => String(i + 10)));
});
