// All runs, filtered, sorted and in pages by the server.
import { keepPreviousData } from "@tanstack/react-query";
import { Fragment } from "react";
import { $api, type Schemas } from "../../api/client";
import { Button } from "../../components/controls";
import { count } from "../../components/format";
import { Scrolls } from "../../components/Scrolls";
import { Answer } from "../../components/states";
import { listOf, textOf, useView } from "../../components/view";
import type { Search } from "../../router";
import styles from "./Home.module.css";
import { isNew } from "./lastVisit";
import { RunFilters } from "./RunFilters";
import { COLUMNS, shownColumns, type RunColumn, type RunOrder, type RunSummary } from "./runColumns";

const PAGE = 50;

type Query = NonNullable<Parameters<typeof useRuns>[0]>;

function useRuns(query: { limit: number; cursor: number; status?: Schemas["RunStatus"][]; experiment?: string; task?: string; text?: string; order?: RunOrder; descending?: boolean }) {
  return $api.useQuery("get", "/api/v1/runs", { params: { query } }, { placeholderData: keepPreviousData, refetchInterval: 5_000 });
}

/** What is asked of the server for a view. */
function queryOf(view: Search): Query {
  const query: Query = { limit: PAGE, cursor: Number(view.cursor ?? 0) || 0 };
  if (view.status !== undefined) query.status = listOf(view.status) as Schemas["RunStatus"][];
  if (view.experiment !== undefined) query.experiment = textOf(view.experiment);
  if (view.task !== undefined) query.task = textOf(view.task);
  if (view.text !== undefined) query.text = textOf(view.text);
  const grouped = view.group === "experiment";
  const order = COLUMNS.find((column) => column.order === view.sort)?.order;
  if (grouped || order !== undefined) query.order = grouped ? "experiment" : (order as RunOrder);
  if (grouped) query.descending = false;
  else if (order !== undefined) query.descending = view.ascending !== true;
  return query;
}

export function RunTable({ visit }: { visit: number | null }) {
  const [view] = useView();
  const runs = useRuns(queryOf(view));
  return (
    <section className="stack" aria-label="all runs">
      <h2>All runs</h2>
      <RunFilters />
      <Answer query={runs}>{(page) => <Rows page={page} visit={visit} isGrouped={view.group === "experiment" && !runs.isPlaceholderData} />}</Answer>
    </section>
  );
}

function Rows({ page, visit, isGrouped }: { page: Schemas["Page_RunSummary_"]; visit: number | null; isGrouped: boolean }) {
  const [view, setView] = useView();
  const shown = shownColumns(view.columns);
  const columns = COLUMNS.filter((column) => column.id === "id" || shown.includes(column.id));
  const cursor = Number(view.cursor ?? 0) || 0;
  if (page.items.length === 0) return <p className="muted">No run is like that{cursor > 0 ? " on this page" : ""}.</p>;
  return (
    <>
      <Scrolls label="runs">
        <table>
          <caption className="hidden-text">{count(page.total, "run")}</caption>
          <thead>
            <tr>
              {columns.map((column) => <Heading key={column.id} column={column} />)}
            </tr>
          </thead>
          <tbody>
            {page.items.map((run, i) => (
              <Fragment key={run.id}>
                {isGrouped && run.experiment !== page.items[i - 1]?.experiment && (
                  <tr className={styles.group}>
                    <th colSpan={columns.length} scope="rowgroup">{run.experiment}</th>
                  </tr>
                )}
                <Row run={run} columns={columns} isNew={isNew(run, visit)} />
              </Fragment>
            ))}
          </tbody>
        </table>
      </Scrolls>
      <div className="line">
        <span className="muted small">
          {page.total > page.items.length ? `${cursor + 1} to ${cursor + page.items.length} of ${count(page.total, "run")}` : count(page.total, "run")}
        </span>
        {page.total > PAGE && (
          <>
            <Button isDisabled={cursor === 0} onPress={() => setView({ cursor: Math.max(0, cursor - PAGE) || undefined })}>Page before</Button>
            <Button isDisabled={page.next === null} onPress={() => setView({ cursor: page.next ?? undefined })}>Next page</Button>
          </>
        )}
      </div>
    </>
  );
}

function Row({ run, columns, isNew: isNewRun }: { run: RunSummary; columns: RunColumn[]; isNew: boolean }) {
  return (
    <tr data-run={run.id}>
      {columns.map((column) => (
        <td key={column.id} className={column.isNumber ? "number" : ""}>{column.cell(run, isNewRun)}</td>
      ))}
    </tr>
  );
}

function Heading({ column }: { column: RunColumn }) {
  const [view, setView] = useView();
  const { order } = column;
  const grouped = view.group === "experiment";
  if (order === undefined || grouped) return <th scope="col" className={column.isNumber ? "number" : ""}>{column.title}</th>;
  const isSorted = (view.sort ?? "created") === order;
  const ascending = isSorted && view.ascending === true;
  return (
    <th scope="col" className={column.isNumber ? "number" : ""} aria-sort={isSorted ? (ascending ? "ascending" : "descending") : undefined}>
      <button type="button" className={styles.sort} onClick={() => setView({ sort: order === "created" ? undefined : order, ascending: (isSorted && !ascending) || undefined, cursor: undefined })}>
        {column.title} <span aria-hidden>{isSorted ? (ascending ? "↑" : "↓") : ""}</span>
      </button>
    </th>
  );
}
