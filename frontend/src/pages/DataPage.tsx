// What do I have: datasets with their versions, and the way to more.
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { $api, type Schemas } from "../api/client";
import { Button, Tag } from "../components/controls";
import { CopyView } from "../components/CopyView";
import { count, moment } from "../components/format";
import { Page } from "../components/Page";
import { Scrolls } from "../components/Scrolls";
import { Answer, Empty } from "../components/states";
import { AddData } from "./data/AddData";
import { FindingCounts } from "./version/FindingCounts";

type DatasetSummary = Schemas["DatasetSummary"];

export default function DataPage() {
  const { add } = useSearch({ strict: false });
  const navigate = useNavigate();
  const adding = add !== undefined;
  const show = (value: string | undefined) => void navigate({ to: ".", search: (old) => ({ ...old, add: value }) });
  const datasets = $api.useQuery("get", "/api/v1/datasets", { params: { query: { limit: 200 } } });
  return (
    <Page
      title="Data"
      actions={
        <>
          <CopyView
            copies={{
              command: "automl-vision data versions",
              python: "from automl_vision import Workspace\n\nregistry = Workspace().datasets\n[registry.versions(name) for name in registry.names()]",
            }}
          />
          {!adding && (
            <Button kind="primary" onPress={() => show("path")}>
              Add data
            </Button>
          )}
        </>
      }
    >
      {adding && <AddData way={add === "upload" ? "upload" : "path"} onWay={show} onClose={() => show(undefined)} />}
      <Answer query={datasets}>
        {(page) =>
          page.total === 0 ? (
            !adding && (
              <Empty
                title="No data yet"
                action={
                  <Button kind="primary" onPress={() => show("path")}>
                    Add data
                  </Button>
                }
                command="automl-vision data register FOLDER NAME"
              >
                Any folder of labelled images will do: one folder a class, COCO, VOC, YOLO, CSV and others are recognised.
              </Empty>
            )
          ) : (
            <DatasetTable datasets={page.items} total={page.total} />
          )
        }
      </Answer>
    </Page>
  );
}

function DatasetTable({ datasets, total }: { datasets: DatasetSummary[]; total: number }) {
  return (
    <Scrolls label="datasets">
      <table>
        <caption className="hidden-text">{count(total, "dataset")}</caption>
        <thead>
          <tr>
            <th>Dataset</th>
            <th>Task</th>
            <th className="number">Images</th>
            <th className="number">Classes</th>
            <th>Findings</th>
            <th className="number">Runs</th>
            <th>Changed</th>
            <th>Source</th>
          </tr>
        </thead>
        <tbody>
          {datasets.map((data) => (
            <tr key={data.name}>
              <td>
                <Link to="/data/$name/$version" params={{ name: data.name, version: String(data.number) }}>
                  {data.is_registered ? data.name : (data.source.split("/").pop() ?? data.name)}
                </Link>{" "}
                {data.is_registered ? (
                  <span className="muted small">version {data.number}</span>
                ) : (
                  <Tag>not registered</Tag>
                )}
              </td>
              <td>{data.task.replace("image-", "").replaceAll("-", " ")}</td>
              <td className="number">{data.images.toLocaleString("en-US")}</td>
              <td className="number">{data.classes}</td>
              <td>
                <FindingCounts found={data.findings ?? null} />
              </td>
              <td className="number">{data.runs.length}</td>
              <td>{moment(data.created)}</td>
              <td className="muted small">{data.source}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolls>
  );
}
