// The columns of the list of runs.
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { duration, interval, metricName, moment } from "../../components/format";
import { Status } from "../../components/Status";
import { listOf } from "../../components/view";
import type { Search } from "../../router";
import styles from "./Home.module.css";

export type RunSummary = Schemas["RunSummary"];
export type RunOrder = "created" | "ended" | "id" | "experiment" | "task" | "status" | "trials" | "best" | "seconds";

export interface RunColumn {
  id: string;
  title: string;
  cell: (run: RunSummary, isNew: boolean) => ReactNode;
  isNumber?: boolean;
  /** By what the server sorts the runs for this column. */
  order?: RunOrder;
  isExtra?: boolean;
}

export const COLUMNS: RunColumn[] = [
  {
    id: "id", title: "Run", order: "id",
    cell: (run, isNew) => (
      <span className={styles.run}>
        <Link to="/runs/$runId" params={{ runId: run.id }} className={styles.id ?? ""}>{run.id}</Link>
        {isNew && <span className={styles.new} title="ended since your last visit">new</span>}
      </span>
    ),
  },
  { id: "status", title: "Status", order: "status", cell: (run) => <span title={run.reason ?? ""}><Status status={run.status} /></span> },
  { id: "experiment", title: "Experiment", order: "experiment", cell: (run) => <Link to="/" search={{ experiment: run.experiment }}>{run.experiment}</Link> },
  { id: "task", title: "Task", order: "task", cell: (run) => run.task.replace(/^image-/, "").replaceAll("-", " ") },
  { id: "metric", title: "Metric", cell: (run) => metricName(run.metric) },
  { id: "best", title: "Best", order: "best", cell: (run) => <span className="numbers" title={run.best === null ? "" : String(run.best.value)}>{interval(run.best)}</span> },
  { id: "trials", title: "Trials", order: "trials", isNumber: true, cell: (run) => run.trials },
  { id: "created", title: "Made", order: "created", cell: (run) => (run.created === null ? "–" : moment(run.created)) },
  { id: "ended", title: "Ended", order: "ended", isExtra: true, cell: (run) => (run.ended === null ? "–" : moment(run.ended)) },
  { id: "seconds", title: "Time", order: "seconds", isNumber: true, cell: (run) => duration(run.seconds) },
  { id: "budget", title: "Budget", isNumber: true, isExtra: true, cell: (run) => duration(run.budget_seconds) },
  { id: "reason", title: "Reason", isExtra: true, cell: (run) => run.reason ?? "" },
];

/** The ids of the columns that the address asks for. */
export function shownColumns(asked: Search[string]): string[] {
  const chosen = listOf(asked);
  return chosen.length > 0 ? chosen : COLUMNS.filter((column) => column.isExtra !== true && column.id !== "id").map((column) => column.id);
}
