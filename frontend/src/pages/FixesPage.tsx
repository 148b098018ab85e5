// What changes, and what would it bring: a basket of proposed changes, their effect on a probe, and the next version.
import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { $api, api, queries, type Schemas } from "../api/client";
import { Button, Select, TextField } from "../components/controls";
import { CopyView } from "../components/CopyView";
import { count } from "../components/format";
import { Page, Section } from "../components/Page";
import { Answer, Empty, Problem } from "../components/states";
import { WorkProgress } from "../components/Work";
import { choicesOf, textOf, type Choice } from "./fixes/basket";
import { Counts } from "./fixes/Counts";
import { Effect } from "./fixes/Effect";
import { useCheck, FindingHead } from "./version/Doctor";
import { Cases } from "./version/Cases";
import { useVersion } from "./VersionPage";
import styles from "./version/version.module.css";

export default function FixesPage() {
  const { name, number } = useVersion();
  const query = $api.useQuery("get", "/api/v1/datasets/{name}/versions/{number}/fixes", {
    params: { path: { name, number } },
  });
  const check = useCheck(name, number);
  const shown = number === 0 ? "unregistered data" : `${name}:${number}`;
  return (
    <Page
      title={`Fixes of ${shown}`}
      trail={
        <>
          <Link to="/data">Data</Link> /{" "}
          <Link to="/data/$name/$version" params={{ name, version: String(number) }}>
            {shown}
          </Link>
        </>
      }
    >
      {check.work !== undefined && <WorkProgress work={check.work} />}
      {check.error !== null && <Problem error={check.error} />}
      <Answer query={query}>
        {(fixes) => (
          <>
            {!fixes.is_checked && !check.isBusy && fixes.findings.length === 0 && (
              <Empty
                title="The doctor has not looked at this version yet"
                action={<Button kind="primary" onPress={() => check.start()}>Check it</Button>}
              >
                It proposes changes for what it finds. Labels that you called wrong on the Mistakes page are proposed here
                without it.
              </Empty>
            )}
            {fixes.is_checked && fixes.findings.length === 0 && (
              <Empty title="There is nothing to fix">
                The doctor found nothing about which something can be done, and nobody called a label wrong.
              </Empty>
            )}
            {fixes.findings.length > 0 && <Basket name={name} number={number} fixes={fixes} />}
            {!fixes.is_checked && !check.isBusy && fixes.findings.length > 0 && (
              <p className="line">
                <span className="muted">The doctor has not looked at this version yet; it may propose more.</span>
                <Button onPress={() => check.start()}>Check it</Button>
              </p>
            )}
          </>
        )}
      </Answer>
    </Page>
  );
}

function Basket({ name, number, fixes }: { name: string; number: number; fixes: Schemas["ProposedFixes"] }) {
  const { take } = useSearch({ strict: false });
  const navigate = useNavigate();
  const choices = choicesOf(typeof take === "string" ? take : undefined, fixes.proposed);
  const set = (choice: Choice) => {
    const next = [...choices.filter(({ check }) => check !== choice.check), ...(choice.action === "none" ? [] : [choice])];
    void navigate({ to: ".", search: (old) => ({ ...old, take: textOf(next) }), replace: true, resetScroll: false });
  };
  return (
    <>
      <Outcome name={name} number={number} choices={choices} />
      <Section title={`${count(fixes.findings.length, "proposal")}: take or leave each`}>
        <ul className={styles.list}>
          {fixes.findings.map((finding) => {
            const choice = choices.find(({ check }) => check === finding.check) ?? { check: finding.check, action: "none", left: [] };
            return (
              <li key={finding.check} className={styles.finding}>
                <Proposal name={name} number={number} finding={finding} choice={choice} set={set} />
              </li>
            );
          })}
        </ul>
      </Section>
    </>
  );
}

function Proposal({ name, number, finding, choice, set }: {
  name: string;
  number: number;
  finding: Schemas["FindingSummary"];
  choice: Choice;
  set: (choice: Choice) => void;
}) {
  const [most, setMost] = useState(12);
  const taken = choice.action !== "none";
  const left = new Set(choice.left);
  const options = finding.actions.map((action) => ({ id: action.name, title: action.meaning }));
  if (!options.some(({ id }) => id === "none")) options.push({ id: "none", title: "leave everything as it is" });
  return (
    <div className="stack">
      <FindingHead finding={finding} />
      <div className={styles.choose}>
        <Select label={`What to do (${finding.check})`} value={choice.action} options={options} onChange={(action) => set({ ...choice, action })} />
        {taken && finding.cases > 0 && (
          <span className="muted small">
            {count(finding.cases - left.size, "case")} of {finding.cases} taken
          </span>
        )}
      </div>
      {Object.entries(finding.renames).map(([old, renamed]) => (
        <p key={old}>
          {old} → {renamed}
        </p>
      ))}
      {finding.cases > 0 && (
        <details open={taken}>
          <summary>{taken ? "Cases, before → after" : `Look at ${count(finding.cases, "case")}`}</summary>
          <Cases
            name={name}
            number={number}
            finding={finding}
            most={most}
            {...(taken
              ? {
                  after: (found: Schemas["FindingCase"]) => afterOf(found, choice.action),
                  ticks: {
                    isTaken: (position: number) => !left.has(position),
                    onTake: (position: number, take: boolean) =>
                      set({ ...choice, left: take ? choice.left.filter((one) => one !== position) : [...choice.left, position] }),
                  },
                }
              : {})}
          />
          {finding.cases > most && (
            <Button kind="quiet" onPress={() => setMost(Math.min(500, most + 48))}>
              Show more
            </Button>
          )}
        </details>
      )}
    </div>
  );
}

/** What becomes of a case. */
function afterOf(found: Schemas["FindingCase"], action: string): string {
  const before = found.image.labels.join(", ") || "no label";
  switch (action) {
    case "relabel":
      return `${found.object === null ? before : (found.image.objects.find(({ index }) => index === found.object)?.label ?? before)} → ${found.suggestion ?? "?"}`;
    case "exclude":
      return `${found.image.split || "no split"} → left out`;
    case "drop":
      return "object → removed";
    case "fit box":
      return "box → fitted to its mask";
    case "group":
      return "→ one group, which shares a split";
    default:
      return found.note;
  }
}

function Outcome({ name, number, choices }: { name: string; number: number; choices: Choice[] }) {
  const path = { name, number };
  const preview = $api.useQuery(
    "post",
    "/api/v1/datasets/{name}/versions/{number}/fixes/preview",
    { params: { path }, body: { choices } },
    { enabled: choices.length > 0, placeholderData: (old) => old },
  );
  const actions = Object.fromEntries(choices.map(({ check, action }) => [check, action]));
  const id = number === 0 ? name.slice(1) : `${name}:${number}`;
  return (
    <Section
      title="What would change"
      aside={
        <CopyView
          copies={{
            python: `from automl_vision import Dataset, Workspace, what_if\n\ndataset = Dataset.load(Workspace().datasets.get("${id}"))\nreport = dataset.check()\nbetter = dataset.apply(report, ${JSON.stringify(actions)})\nwhat_if(dataset, better)`,
            command: `automl-vision data check ${id} --apply-to better.parquet && automl-vision data what-if ${id} better.parquet`,
          }}
        />
      }
    >
      {choices.length === 0 && <p className="muted">Nothing is taken. Choose below what to do.</p>}
      {preview.error != null && <Problem error={preview.error} />}
      {choices.length > 0 && preview.data !== undefined && (
        <>
          <Counts counts={preview.data} />
          <Effect name={name} number={number} choices={choices} />
          <NewVersion name={name} number={number} choices={choices} />
        </>
      )}
    </Section>
  );
}

function NewVersion({ name, number, choices }: { name: string; number: number; choices: Choice[] }) {
  const { from, run } = useSearch({ strict: false });
  const settings = from ?? run; // the run whose settings the next one begins with
  const navigate = useNavigate();
  const [wanted, setWanted] = useState(number === 0 ? "" : name);
  const [reason, setReason] = useState("");
  const make = useMutation({
    mutationFn: async ({ train }: { train: boolean }) => {
      const body = { choices, name: wanted, reason };
      const made = await api.POST("/api/v1/datasets/{name}/versions/{number}/fixes/version", { params: { path: { name, number } }, body });
      return made.data && { ...made.data, train };
    },
    onSuccess: (made) => {
      if (made === undefined) return;
      void queries.invalidateQueries({ predicate: ({ queryKey }) => String(queryKey[1]).includes("/datasets") });
      if (made.train) void navigate({ to: "/new", search: { data: made.id, ...(settings === undefined ? {} : { from: settings }) } });
      else void navigate({ to: "/data/$name/$version", params: { name: made.name, version: String(made.number) }, search: { tab: "changes" } });
    },
  });
  return (
    <form
      className={styles.choose}
      onSubmit={(event) => {
        event.preventDefault();
        make.mutate({ train: false });
      }}
    >
      {number === 0 && <TextField label="Name of the dataset" value={wanted} onChange={setWanted} isRequired />}
      <TextField label="Reason, kept with the version" value={reason} onChange={setReason} placeholder="what these changes are for" />
      <div className="line">
        <Button type="submit" isDisabled={make.isPending || wanted === ""}>
          Make the next version
        </Button>
        <Button kind="primary" isDisabled={make.isPending || wanted === ""} onPress={() => make.mutate({ train: true })}>
          Make it and retrain
        </Button>
      </div>
      {make.error !== null && <Problem error={make.error} />}
    </form>
  );
}
