// Where a version comes from, the changes of the model's aliases, and how programs use it.
import { Link } from "@tanstack/react-router";
import { $api, type Schemas } from "../../api/client";
import { CopyButton } from "../../components/CopyButton";
import { count, moment } from "../../components/format";
import { Section } from "../../components/Page";
import { Scrolls } from "../../components/Scrolls";
import { Answer } from "../../components/states";
import { addressParts } from "../models/figures";
import { Facts } from "./Passport";
import styles from "./model.module.css";

type ModelDetails = Schemas["ModelDetails"];

export function Origins({ model }: { model: ModelDetails }) {
  const { lineage, version } = model;
  const data = addressParts(lineage.data_version ?? "");
  const images = model.data["images"] as Record<string, number> | undefined;
  const run = version.run_is_here ? (
    <Link to="/runs/$runId" params={{ runId: version.run }}>
      {version.run}
    </Link>
  ) : (
    version.run
  );
  const trial = version.run_is_here ? (
    <Link to="/runs/$runId/trials/$trial" params={{ runId: version.run, trial: version.trial }}>
      trial {version.trial}
    </Link>
  ) : (
    version.trial
  );
  const facts: [string, React.ReactNode][] = [
    ["Registered", `${moment(version.created)}${version.user === "" ? "" : ` by ${version.user}`}`],
    ["Experiment", lineage.experiment ?? ""],
    ["Run", run],
    ["Trial", version.trial === "" ? "" : trial],
    ["Data version", data === null ? "the data was not registered" : <Link to="/data/$name/$version" params={data}>{lineage.data_version}</Link>],
    ["Data fingerprint", lineage.data_fingerprint ?? ""],
    ["Images", images === undefined ? "" : Object.entries(images).map(([split, n]) => `${n.toLocaleString("en-US")} ${split}`).join(", ")],
    ["Champion when registered", lineage.parent ? `${version.name}:${lineage.parent}` : ""],
    ["MLflow run", lineage.mlflow_run ?? ""],
    ...Object.entries(model.tags).map(([name, value]): [string, string] => [`${name} (tag)`, value]),
  ];
  return (
    <div className="columns">
      <Section title="Where it comes from">
        <Facts facts={facts} />
      </Section>
      <Usage model={model} />
    </div>
  );
}

function Usage({ model }: { model: ModelDetails }) {
  const id = model.version.id;
  const python = `import automl_vision
from automl_vision.serving.predictor import Predictor

folder = automl_vision.Workspace().models.resolve("${id}")
(prediction,) = Predictor(folder)("photo.jpg")
print(prediction.label, prediction.to_json())`;
  const command = `automl-vision predict ${id} photos/ --json`;
  return (
    <Section title="How to use it">
      <div className="line spread">
        <h3>Python</h3>
        <CopyButton text={python} title="Copy Python" />
      </div>
      <pre className={styles.code} tabIndex={0}>{python}</pre>
      <div className="line spread">
        <h3>Command</h3>
        <CopyButton text={command} title="Copy command" />
      </div>
      <pre className={styles.code} tabIndex={0}>{command}</pre>
    </Section>
  );
}

export function AliasLog({ name }: { name: string }) {
  const log = $api.useQuery("get", "/api/v1/models/{name}/log", { params: { path: { name }, query: { limit: 200 } } });
  return (
    <Answer query={log}>
      {(page) => (
        <Section title="Changes of aliases" aside={<span className="muted">{count(page.total, "change")}</span>}>
          <Scrolls label="changes of aliases">
            <table>
              <thead>
                <tr>
                  <th>When</th>
                  <th>Alias</th>
                  <th>Version</th>
                  <th>How</th>
                  <th>By</th>
                  <th>Why</th>
                </tr>
              </thead>
              <tbody>
                {page.items.map((change, i) => (
                  <tr key={i}>
                    <td className={styles.nowrap}>{moment(change.time)}</td>
                    <td>{change.alias}</td>
                    <td className={styles.nowrap}>
                      {change.previous === null ? "none" : change.previous} → {change.version}
                    </td>
                    <td className={styles.nowrap}>{change.action}</td>
                    <td>{change.user}</td>
                    <td style={{ minWidth: 160, overflowWrap: "anywhere" }}>{change.why}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scrolls>
        </Section>
      )}
    </Answer>
  );
}
