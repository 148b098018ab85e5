import { expect, test } from "vitest";
import { commandOf, pythonOf } from "./copies";

const run = { id: "chest-1", workspace_path: "/home/a b/.automl-vision" };

test("a board with limits and metrics as a command", () => {
  expect(commandOf(run, {})).toBe("automl-vision leaderboard chest-1 --workspace '/home/a b/.automl-vision'");
  expect(commandOf(run, { ms: 10, mb: "2.5", metrics: "f1_macro,auc" })).toBe(
    "automl-vision leaderboard chest-1 --metric f1_macro --metric auc --max-ms 10 --max-mb 2.5 --workspace '/home/a b/.automl-vision'",
  );
  expect(commandOf(run, { ms: "soon", mb: -1 })).toBe(commandOf(run, {}));
});

test("and as Python", () =>
  expect(pythonOf(run, { ms: 10, metrics: "f1_macro" })).toBe(
    `from automl_vision import Run, Workspace

run = Run(Workspace("/home/a b/.automl-vision"), "chest-1")
print(run.leaderboard(["f1_macro"], max_latency_ms=10))
print(run.verdict(max_latency_ms=10).sentence)
`,
  ));
