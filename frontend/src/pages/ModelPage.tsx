// Is it safe to replace the champion? The gate first, then what the version says of itself.
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { $api, addressOf, type Schemas } from "../api/client";
import { ButtonLink, Tabs } from "../components/controls";
import controls from "../components/controls.module.css";
import { CopyView } from "../components/CopyView";
import { count, interval, metricName, splitName } from "../components/format";
import { Page, Section } from "../components/Page";
import { Answer, Problem } from "../components/states";
import { GateSection } from "./model/Gate";
import { AliasLog, Origins } from "./model/Lineage";
import { Passport } from "./model/Passport";
import { Rule } from "./model/RuleForm";
import styles from "./model/model.module.css";
import { Aliases } from "./models/Versions";

type ModelDetails = Schemas["ModelDetails"];

export default function ModelPage() {
  const { name, version } = useParams({ from: "/models/$name/$version" });
  const model = $api.useQuery("get", "/api/v1/models/{name}/versions/{version}", {
    params: { path: { name, version } },
  });
  const id = model.data?.version.id ?? `${name}:${version}`;
  return (
    <Page
      title={id}
      trail={<Link to="/models">Models</Link>}
      summary={model.data !== undefined && <Summary model={model.data} />}
      actions={
        <>
          <ButtonLink to="/try" search={{ model: id }}>
            Try it
          </ButtonLink>
          {model.data?.folder != null && (
            <a className={controls.button} href={addressOf(`models/${encodeURIComponent(name)}/versions/${version}/files.zip`)} download>
              Download
            </a>
          )}
          <CopyView
            copies={{
              python: `import automl_vision\n\nmodels = automl_vision.Workspace().models\nversion = models.get("${id}")\nfolder = models.download(version)`,
              command: `automl-vision models show ${id}`,
            }}
          />
        </>
      }
    >
      <Answer query={model}>{(found) => <Content model={found} />}</Answer>
    </Page>
  );
}

function Summary({ model }: { model: ModelDetails }) {
  const { version } = model;
  return (
    <div className="line">
      <Aliases aliases={version.aliases} />
      {version.task !== null && (
        <span className="muted">
          {version.model_name}, {version.task}, {count(model.classes.length, "class", "classes")};{" "}
          {metricName(version.metric ?? "")} {interval(version.score)} on {splitName(version.split ?? "")} images
        </span>
      )}
    </div>
  );
}

function Content({ model }: { model: ModelDetails }) {
  const { version } = model;
  const { tab } = useSearch({ strict: false });
  const navigate = useNavigate();
  return (
    <>
      {version.problem !== null && <Problem error={new Error(version.problem)} />}
      <GateSection name={version.name} version={String(version.number)} usable={version.problem === null} />
      <Tabs
        label="about this version"
        shown={typeof tab === "string" ? tab : "passport"}
        onShow={(id) => void navigate({ to: ".", search: (before) => ({ ...before, tab: id }), replace: true })}
        tabs={[
          { id: "passport", title: "Passport", content: () => <Passport model={model} /> },
          { id: "card", title: "Card", content: () => <Card html={model.card_html} /> },
          { id: "origin", title: "Origin and use", content: () => <Origins model={model} /> },
          {
            id: "rule",
            title: "Rule",
            content: () => (
              <Section title="When a version may replace the one in use">
                <Rule name={version.name} />
              </Section>
            ),
          },
          { id: "log", title: "Log", content: () => <AliasLog name={version.name} /> },
        ]}
      />
    </>
  );
}

function Card({ html }: { html: string | null }) {
  if (html === null) return <p className="muted">The model folder has no card.</p>;
  // the server has made this from Markdown with markup shown as text
  return <div className={`panel ${styles.card}`} dangerouslySetInnerHTML={{ __html: html }} />;
}
