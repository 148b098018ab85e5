// What the doctor found: each finding with its cases to look at, its advice, and how far its check can be trusted.
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { $api, api, queries, type Schemas } from "../../api/client";
import { Button, ButtonLink, Tag } from "../../components/controls";
import { count, moment } from "../../components/format";
import { Answer, Empty, Problem } from "../../components/states";
import { hasEnded, useWork, WorkProgress } from "../../components/Work";
import { Cases } from "./Cases";
import styles from "./version.module.css";

type Finding = Schemas["FindingSummary"];

/** The check of a version: its work while it runs, and what starts it. */
export function useCheck(name: string, number: number) {
  const [id, setId] = useState<string | null>(null);
  const listed = $api.useQuery("get", "/api/v1/work", { params: { query: { limit: 100 } } });
  const page = `/data/${name}/${number}?tab=doctor`;
  const running = listed.data?.items.find((work) => work.page === page && !hasEnded(work))?.id;
  const work = useWork(id ?? running);
  const state = work.data?.state;
  useEffect(() => {
    if (state === "done") void queries.invalidateQueries({ predicate: ({ queryKey }) => String(queryKey[1]).includes("/datasets") });
  }, [state]);
  const start = useMutation({
    mutationFn: async (again: boolean) => {
      const body = { features: true, again };
      const { data } = await api.POST("/api/v1/datasets/{name}/versions/{number}/check", { params: { path: { name, number } }, body });
      return data?.id ?? null;
    },
    onSuccess: setId,
  });
  const isBusy = work.data !== undefined && !hasEnded(work.data);
  return { work: work.data, start: (again = false) => start.mutate(again), error: start.error, isBusy };
}

export function Doctor({ name, number }: { name: string; number: number }) {
  const check = useCheck(name, number);
  const report = $api.useQuery(
    "get",
    "/api/v1/datasets/{name}/versions/{number}/report",
    { params: { path: { name, number } } },
  );
  const unchecked = report.data?.checked === null;
  return (
    <div className="stack">
      {check.work !== undefined && <WorkProgress work={check.work} />}
      {check.error !== null && <Problem error={check.error} />}
      {unchecked && !check.isBusy && (
        <Empty
          title="This version was not checked yet"
          action={<Button kind="primary" onPress={() => check.start()}>Check it</Button>}
          command={`automl-vision data check ${number === 0 ? "FOLDER" : `${name}:${number}`}`}
        >
          The doctor looks at each image and label: leaks between splits, copies, wrong labels, broken files, odd boxes. It
          changes nothing.
        </Empty>
      )}
      {!unchecked && (
        <Answer query={report}>
          {(found) => <Found name={name} number={number} report={found} onAgain={check.isBusy ? null : () => check.start(true)} />}
        </Answer>
      )}
    </div>
  );
}

function Found({ name, number, report, onAgain }: {
  name: string;
  number: number;
  report: Schemas["ReportSummary"];
  onAgain: (() => void) | null;
}) {
  const params = { name, version: String(number) };
  return (
    <>
      <div className="line spread">
        <span>
          {report.findings.length === 0 ? "Nothing was found" : count(report.findings.length, "finding")};{" "}
          {count(report.passed.length, "check")} found nothing <span className="muted">(checked {moment(report.checked ?? 0)})</span>
        </span>
        <span className="line">
          {onAgain !== null && <Button onPress={onAgain}>Check again</Button>}
          <ButtonLink to="/data/$name/$version/fixes" params={params} kind="primary">
            Review fixes
          </ButtonLink>
        </span>
      </div>
      <ul className={styles.list}>
        {report.findings.map((finding) => (
          <li key={finding.check} className={styles.finding}>
            <FindingCard name={name} number={number} finding={finding} />
          </li>
        ))}
      </ul>
      {report.passed.length > 0 && (
        <details>
          <summary>{count(report.passed.length, "check")} found nothing</summary>
          <p className="muted">{report.passed.join(", ")}</p>
        </details>
      )}
      {Object.entries(report.skipped).map(([skipped, reason]) => (
        <p key={skipped} className="muted small">
          {skipped} did not run: {reason}
        </p>
      ))}
    </>
  );
}

const TONES = { error: "error", warning: "warning" } as const;

export function FindingHead({ finding }: { finding: Finding }) {
  return (
    <>
      <div className="line">
        <Tag tone={TONES[finding.severity as keyof typeof TONES] ?? "plain"}>{finding.severity}</Tag>
        <h3>{finding.title}</h3>
        <code className="muted">{finding.check}</code>
      </div>
      <p>
        {finding.summary}. {finding.advice}
      </p>
      {finding.measured !== null && <p className={`${styles.measured} muted small`}>{finding.measured.sentence}</p>}
    </>
  );
}

function FindingCard({ name, number, finding }: { name: string; number: number; finding: Finding }) {
  const proposed = finding.actions[0];
  return (
    <div className="stack">
      <FindingHead finding={finding} />
      {Object.entries(finding.renames).map(([old, renamed]) => (
        <p key={old}>
          {old} → {renamed}
        </p>
      ))}
      {finding.places.map((place) => (
        <p key={place} className="small muted">
          {place}
        </p>
      ))}
      {finding.cases > 0 && <Cases name={name} number={number} finding={finding} most={6} />}
      <p className="line small">
        {proposed !== undefined && proposed.name !== "none" && (
          <span>
            Proposed: <strong>{proposed.name}</strong> ({proposed.meaning})
          </span>
        )}
        {finding.cases > 0 && (
          <Link to="." search={({ workspace }) => ({ workspace, finding: finding.check })}>
            Show all as a gallery
          </Link>
        )}
      </p>
    </div>
  );
}
