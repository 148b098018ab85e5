// The columns of the board: which there are, what they show, and by which of them rows can be sorted.
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { AxisTicks, IntervalDot, type Axis } from "../../charts/IntervalDot";
import { shortNumber } from "../../charts/parallel";
import { duration, figure, interval, metricName, significant } from "../../components/format";
import { Status } from "../../components/Status";
import styles from "./Board.module.css";
import { marksOf, TrialMarks } from "./TrialMarks";

export type RunDetails = Schemas["RunDetails"];
export type BoardRow = Schemas["BoardRow"];

export interface BoardColumn {
  id: string;
  title: ReactNode;
  /** In the list of columns. */
  name: string;
  cell: (row: BoardRow) => ReactNode;
  isNumber?: boolean;
  /** What rows are sorted by; rows without a value come last. */
  value?: (row: BoardRow) => number | string | null | undefined;
  /** Whether it is shown unless it is chosen. */
  isExtra?: boolean;
  width?: number;
}

type Interval = Schemas["MetricInterval"];

/** A value with its interval; its full value is its title. */
function Score({ found }: { found: Interval | null | undefined }) {
  if (found === null || found === undefined) return <span className="muted">–</span>;
  return (
    <span title={String(found.value)} data-value={found.value}>
      {interval(found)}
    </span>
  );
}

/** All columns of a run's board, in their order. */
export function columnsOf(run: RunDetails, axis: Axis, metrics: string[]): BoardColumn[] {
  const hasTest = run.rows.some((row) => row.test_score !== null);
  const best = run.rows.find((row) => row.score !== null)?.score?.value;
  const name = metricName(run.metric);
  const found: (BoardColumn | false)[] = [
    { id: "rank", title: "Rank", name: "Rank", isNumber: true, width: 52, cell: (row) => row.rank ?? "–" },
    {
      id: "trial", title: "Trial", name: "Trial", value: (row) => row.trial, width: 190,
      cell: (row) => (
        <Link to="/runs/$runId/trials/$trial" params={{ runId: run.id, trial: String(row.trial) }} className={styles.trial ?? ""}>
          {row.trial} <span className="muted">{row.model_name}</span>
        </Link>
      ),
    },
    { id: "score", title: `${name}, validation`, name: `${name}, validation`, value: (row) => row.score?.value, width: 172, cell: (row) => <Score found={row.score} /> },
    hasTest && { id: "test", title: `${name}, test`, name: `${name}, test`, value: (row) => row.test_score?.value, width: 172, cell: (row) => <Score found={row.test_score} /> },
    {
      id: "dot", title: <AxisTicks axis={axis} />, name: "Intervals on one axis", width: 230,
      cell: (row) => <IntervalDot found={row.score} test={row.test_score} axis={axis} reference={best} emphasis={emphasisOf(row, run)} />,
    },
    { id: "marks", title: <span className="hidden-text">Marks</span>, name: "Marks", width: run.rows.some((row) => marksOf(row, run).length > 2) ? 250 : 170, cell: (row) => <TrialMarks marks={marksOf(row, run)} /> },
    ...metrics.map((metric): BoardColumn => ({
      id: `metric-${metric}`, title: metricName(metric), name: metricName(metric), width: 172,
      value: (row) => row.metrics?.[metric]?.val?.value,
      cell: (row) => <Score found={row.metrics?.[metric]?.val} />,
    })),
    { id: "ms", title: "ms", name: "Latency, ms per image", isNumber: true, width: 64, value: (row) => row.latency_ms, cell: (row) => <Cost value={row.latency_ms} why={row.not_measurable} /> },
    { id: "batch", title: "ms in batches", name: "Latency in batches of 8", isNumber: true, isExtra: true, width: 100, value: (row) => row.batch_latency_ms, cell: (row) => <Cost value={row.batch_latency_ms} /> },
    { id: "mb", title: "MB", name: "Size, MB", isNumber: true, width: 64, value: (row) => row.size_mb, cell: (row) => <Cost value={row.size_mb} /> },
    ...run.differing.map((setting): BoardColumn => ({
      id: `setting-${setting}`, title: metricName(setting), name: metricName(setting), width: 110,
      value: (row) => settingValue(row, setting),
      cell: (row) => <span className={styles.setting}>{settingText(row.drawn?.[setting])}</span>,
    })),
    { id: "role", title: "Role", name: "Role", isExtra: !run.rows.some((row) => row.role), width: 130, cell: (row) => row.role },
    { id: "epochs", title: "Best epoch", name: "Best epoch", isNumber: true, isExtra: true, width: 90, value: (row) => row.best_epoch, cell: (row) => (row.best_epoch === null ? "–" : `${row.best_epoch} of ${row.epochs}`) },
    { id: "parameters", title: "Weights", name: "Weights, millions", isNumber: true, isExtra: true, width: 80, value: (row) => row.parameters, cell: (row) => (row.parameters === null ? "–" : `${figure(row.parameters / 1e6, 1)} M`) },
    { id: "time", title: "Time", name: "Time of work", isNumber: true, width: 64, value: (row) => row.seconds, cell: (row) => (row.seconds === null ? "–" : duration(row.seconds)) },
    {
      id: "status", title: "Status", name: "Status", value: (row) => row.status, width: 150,
      cell: (row) => (
        <span className={styles.status} title={row.reason ?? ""}>
          <Status status={row.status} />
          {row.reason !== null && <span className="muted small">{row.reason}</span>}
        </span>
      ),
    },
  ];
  return found.filter((column) => column !== false);
}

function Cost({ value, why }: { value: number | null | undefined; why?: string | null | undefined }) {
  if (value === null || value === undefined) return <span className="muted" title={why ?? "not measured"}>–</span>;
  return (
    <span title={String(value)} data-value={value}>
      {significant(value)}
    </span>
  );
}

function emphasisOf(row: BoardRow, run: RunDetails) {
  const { verdict } = run;
  if (verdict === null) return "plain";
  if (row.trial === verdict.recommended) return "recommended";
  if (row.trial === verdict.best) return "best";
  return verdict.not_distinguishable.includes(row.trial) ? "tied" : "plain";
}

export function settingText(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return shortNumber(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value as string | boolean);
}

function settingValue(row: BoardRow, setting: string): number | string | null {
  const value: unknown = row.drawn?.[setting];
  if (typeof value === "number" || typeof value === "string") return value;
  return value === null || value === undefined ? null : settingText(value);
}

/** Rows by a column; those without a value last, and equal ones by their rank. */
export function sortedRows(rows: BoardRow[], column: BoardColumn | undefined, descending: boolean): BoardRow[] {
  const valueOf = column?.value;
  if (valueOf === undefined) return rows;
  const known = rows.filter((row) => valueOf(row) !== null && valueOf(row) !== undefined);
  const unknown = rows.filter((row) => !known.includes(row));
  const sign = descending ? -1 : 1;
  known.sort((a, b) => {
    const [first, second] = [valueOf(a) ?? 0, valueOf(b) ?? 0];
    return first < second ? -sign : first > second ? sign : 0;
  });
  return [...known, ...unknown];
}
