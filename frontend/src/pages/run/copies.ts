// The board that the page shows, as Python and as a command.
import type { Schemas } from "../../api/client";
import { listOf, positiveOf } from "../../components/view";
import type { Search } from "../../router";

type Shown = Pick<Schemas["RunDetails"], "id" | "workspace_path">;

/** A text between the quotation marks of Python or of a shell's command, where they are needed. */
const quoted = (text: string) => JSON.stringify(text);
const shell = (text: string) => (/^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The lines that return the same board. */
export function pythonOf(run: Shown, view: Search): string {
  const limits = limitsOf(view).map(([name, value]) => `${name}=${value}`);
  const metrics = listOf(view.metrics);
  const board = [...(metrics.length > 0 ? [`[${metrics.map(quoted).join(", ")}]`] : []), ...limits].join(", ");
  return [
    "from automl_vision import Run, Workspace",
    "",
    `run = Run(Workspace(${quoted(run.workspace_path)}), ${quoted(run.id)})`,
    `print(run.leaderboard(${board}))`,
    `print(run.verdict(${limits.join(", ")}).sentence)`,
    "",
  ].join("\n");
}

/** The command that prints the same board. */
export function commandOf(run: Shown, view: Search): string {
  const options = { max_latency_ms: "--max-ms", max_size_mb: "--max-mb" };
  return [
    `automl-vision leaderboard ${shell(run.id)}`,
    ...listOf(view.metrics).map((name) => `--metric ${shell(name)}`),
    ...limitsOf(view).map(([name, value]) => `${options[name]} ${value}`),
    `--workspace ${shell(run.workspace_path)}`,
  ].join(" ");
}

/** The limits of the view, by their names in Python. */
export function limitsOf(view: Search): ["max_latency_ms" | "max_size_mb", number][] {
  const found: ["max_latency_ms" | "max_size_mb", number | undefined][] = [
    ["max_latency_ms", positiveOf(view.ms)],
    ["max_size_mb", positiveOf(view.mb)],
  ];
  return found.filter((limit): limit is ["max_latency_ms" | "max_size_mb", number] => limit[1] !== undefined);
}
