// What is in a version, and what would hurt: images, classes, findings, differences, runs.
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { $api, type Schemas } from "../api/client";
import { ButtonLink, Select, Tabs, Tag } from "../components/controls";
import { CopyView } from "../components/CopyView";
import { count, moment } from "../components/format";
import { Page } from "../components/Page";
import { Scrolls } from "../components/Scrolls";
import { Answer, Empty, Skeleton } from "../components/states";
import { RegisterForm } from "./data/RegisterForm";
import { Changes } from "./version/Changes";
import { Contents } from "./version/Contents";
import { Doctor } from "./version/Doctor";
import { FindingCounts } from "./version/FindingCounts";
import { Images } from "./version/Images";
import { LeftOut } from "./version/LeftOut";
import { Status } from "../components/Status";

type VersionDetails = Schemas["VersionDetails"];

/** The name and number of the version in the address. */
export function useVersion(): { name: string; number: number } {
  const { name = "", version = "0" } = useParams({ strict: false });
  return { name, number: Number(version) };
}

export default function VersionPage() {
  const { name, number } = useVersion();
  const query = $api.useQuery("get", "/api/v1/datasets/{name}/versions/{number}", {
    params: { path: { name, number } },
  });
  const shown = query.data?.is_registered === false ? (query.data.source.split("/").pop() ?? name) : name;
  return (
    <Page
      title={query.data?.is_registered ? `${name}:${number}` : shown}
      trail={<Link to="/data">Data</Link>}
      summary={query.data && <Summary data={query.data} />}
      actions={query.data && <Actions data={query.data} />}
    >
      <Answer query={query} loading={<Skeleton heights={[36, 60, 420]} />}>
        {(data) => (
          <>
            {!data.is_registered && <RegisterForm source={data.name} suggested={shown.toLowerCase()} />}
            <Parts data={data} />
          </>
        )}
      </Answer>
    </Page>
  );
}

function Summary({ data }: { data: VersionDetails }) {
  const splits = Object.entries(data.splits).map(([split, n]) => `${n.toLocaleString("en-US")} ${split.replace("_", " ")}`);
  return (
    <>
      <p>
        {count(data.images, "image")} ({splits.join(", ")}) of {count(data.classes.length, "class", "classes")}
        {data.objects !== null && `, ${count(data.objects, "object")}`} · {data.task.replace("image-", "").replaceAll("-", " ")}
      </p>
      <p className="line muted small">
        <FindingCounts found={data.findings ?? null} />
        {!data.is_registered && <Tag>not registered</Tag>}
        <span>
          {moment(data.created)}
          {data.parent !== "" && `, made from ${data.parent}`}
          {data.description !== "" && `: ${data.description}`}
        </span>
      </p>
    </>
  );
}

function Actions({ data }: { data: VersionDetails }) {
  const navigate = useNavigate();
  const python = data.is_registered
    ? `from automl_vision import Dataset, Workspace\n\ndataset = Dataset.load(Workspace().datasets.get("${data.id}"))\ndataset.summary()\ndataset.check()`
    : `from automl_vision import Dataset\n\ndataset = Dataset.load("${data.id}")\ndataset.summary()\ndataset.check()`;
  const params = { name: data.name, version: String(data.number) };
  return (
    <>
      {data.versions.length > 1 && (
        <Select
          label="Version"
          value={String(data.number)}
          options={data.versions.toReversed().map((one) => ({ id: String(one.number), title: `${one.number}, ${moment(one.created)}` }))}
          onChange={(version) => void navigate({ to: "/data/$name/$version", params: { ...params, version }, search: (old) => old })}
        />
      )}
      <CopyView copies={{ python, command: `automl-vision data check ${data.id}` }} />
      <ButtonLink to="/new" search={{ data: data.id }}>
        Train on it
      </ButtonLink>
      {data.is_registered && (
        <ButtonLink to="/data/$name/$version/edits" params={params}>
          Edits
        </ButtonLink>
      )}
      <ButtonLink to="/data/$name/$version/fixes" params={params} kind="primary">
        Review fixes
      </ButtonLink>
    </>
  );
}

function Parts({ data }: { data: VersionDetails }) {
  const { tab } = useSearch({ strict: false });
  const navigate = useNavigate();
  const before = data.versions.filter(({ number }) => number < data.number);
  const tabs = [
    { id: "images", title: "Images", content: () => <Images data={data} /> },
    { id: "classes", title: "Classes and columns", content: () => <Contents data={data} /> },
    { id: "doctor", title: "Doctor", content: () => <Doctor name={data.name} number={data.number} /> },
    ...(before.length > 0 ? [{ id: "changes", title: "Changes", content: () => <Changes data={data} /> }] : []),
    { id: "runs", title: `Runs (${data.runs.length})`, content: () => <Runs data={data} /> },
    { id: "import", title: "Import report", content: () => <ImportReport data={data} /> },
  ];
  const shown = tabs.find(({ id }) => id === tab)?.id ?? "images";
  return (
    <Tabs
      label="parts of the version"
      tabs={tabs}
      shown={shown}
      onShow={(id) => void navigate({ to: ".", search: ({ workspace }) => ({ workspace, tab: id === "images" ? undefined : id }) })}
    />
  );
}

function Runs({ data }: { data: VersionDetails }) {
  if (data.runs.length === 0)
    return (
      <Empty
        title="No run was given this version"
        command={`automl-vision train --training-data ${data.id}`}
        action={<ButtonLink to="/new" search={{ data: data.id }} kind="primary">Train on it</ButtonLink>}
      />
    );
  return (
    <Scrolls label="runs of this version">
      <table>
        <thead>
          <tr>
            <th>Run</th>
            <th>Status</th>
            <th>Started</th>
          </tr>
        </thead>
        <tbody>
          {data.runs.map((run) => (
            <tr key={run.id}>
              <td>
                <Link to="/runs/$runId" params={{ runId: run.id }}>
                  {run.id}
                </Link>
              </td>
              <td>
                <Status status={run.status} />
              </td>
              <td>{run.created ? moment(run.created) : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolls>
  );
}

function ImportReport({ data }: { data: VersionDetails }) {
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, one) => total + one, 0);
  const [out, noted] = [sum(data.left_out), sum(data.noted)];
  return (
    <div className="stack">
      <p>
        {count(data.records, "record")} read as <code>{data.format}</code> from <code>{data.source}</code>;{" "}
        {out === 0 ? "all could be used." : `${out.toLocaleString("en-US")} could not be used.`}
      </p>
      {out > 0 && <LeftOut name={data.name} number={data.number} />}
      {noted > 0 && (
        <>
          <h2>{count(noted, "remark")} on records that were kept</h2>
          <LeftOut name={data.name} number={data.number} notes />
        </>
      )}
    </div>
  );
}
