// How the studio looks and listens in this browser, where things lie, what is installed, and how programs reach it.
import { Link } from "@tanstack/react-router";
import { $api, ROOT, type Schemas } from "../api/client";
import { Checkbox, Choices } from "../components/choices";
import { CopyButton } from "../components/CopyButton";
import { Tag } from "../components/controls";
import { Page, Section } from "../components/Page";
import { Scrolls } from "../components/Scrolls";
import { Answer } from "../components/states";
import { setKeys, useKeys } from "../look/keys";
import { setPreference, usePreference, type Preference } from "../look/theme";
import styles from "./settings/settings.module.css";
import { size } from "./settings/size";

export default function SettingsPage() {
  return (
    <Page title="Settings">
      <div className="columns">
        <Look />
        <Reach />
      </div>
      <Storage />
      <Installed />
    </Page>
  );
}

function Look() {
  const preference = usePreference();
  const keys = useKeys();
  return (
    <Section title="This browser">
      <Choices
        label="Colours"
        value={preference}
        options={[
          { id: "system", title: "As the system" },
          { id: "light", title: "Light" },
          { id: "dark", title: "Dark" },
        ]}
        onChange={(id) => setPreference(id as Preference)}
      />
      <Checkbox isSelected={keys} onChange={setKeys}>
        Single letters are keys
      </Checkbox>
      <p className="muted small">Press ? on a page to see its keys. Switch them off if you speak to your machine.</p>
    </Section>
  );
}

function Reach() {
  const session = $api.useQuery("get", "/api/v1/session");
  const address = new URL(`${ROOT}api/v1/`, window.location.href).href;
  return (
    <Section title="For programs" aside={<Link to="/api/v1/docs">What the API offers</Link>}>
      <div className="line">
        <code>{address}</code>
        <CopyButton text={address} />
      </div>
      <Answer query={session}>
        {({ needs_token: needsToken }) =>
          needsToken ? (
            <>
              <p>
                <Tag tone="good">token</Tag> Callers send it as <code>Authorization: Bearer TOKEN</code>.
              </p>
              <p className="muted">
                For a new one, end the studio and start it again: without a token it makes a new one and prints it. A token
                of your own, of at least 16 characters, comes from the environment:
              </p>
              <Command text="AUTOML_VISION_STUDIO_TOKEN=$(openssl rand -hex 24) automl-vision studio --host 0.0.0.0" />
              <p className="muted small">All browsers that were signed in are asked again.</p>
            </>
          ) : (
            <>
              <p>
                <Tag>no token</Tag> The studio answers only this machine.
              </p>
              <p className="muted">To reach it from others, start it with an address; it then makes a token and prints it:</p>
              <Command text="automl-vision studio --host 0.0.0.0" />
            </>
          )
        }
      </Answer>
    </Section>
  );
}

function Command({ text }: { text: string }) {
  return (
    <div className="line">
      <code className={styles.command}>{text}</code>
      <CopyButton text={text} />
    </div>
  );
}

function Storage() {
  const storage = $api.useQuery("get", "/api/v1/settings/storage", {}, { staleTime: 30_000 });
  return (
    <Section title="On this disk">
      <Answer query={storage}>{(found) => <Folders found={found} />}</Answer>
    </Section>
  );
}

function Folders({ found }: { found: Schemas["Storage"] }) {
  return (
    <>
      <Scrolls label="folders">
        <table>
          <thead>
            <tr>
              <th>What</th>
              <th className="number">Size</th>
              <th className="number">Files</th>
              <th>Where</th>
            </tr>
          </thead>
          <tbody>
            {found.folders.map((folder) => (
              <tr key={folder.path}>
                <td>
                  {folder.name} {folder.is_cache && <span className="muted small">cache</span>}
                </td>
                <td className="number">{size(folder.bytes)}</td>
                <td className="number">{folder.files.toLocaleString("en-US")}</td>
                <td>
                  <code>{folder.path}</code>
                </td>
              </tr>
            ))}
            <tr>
              <td>
                <strong>All</strong>
              </td>
              <td className="number">
                <strong>{size(found.bytes)}</strong>
              </td>
              <td />
              <td />
            </tr>
          </tbody>
        </table>
      </Scrolls>
      <p className="muted small">Caches may be deleted at any time; they are made again when they are needed.</p>
    </>
  );
}

function Installed() {
  const machine = $api.useQuery("get", "/api/v1/settings/machine");
  return (
    <Section title="Machine and versions">
      <Answer query={machine}>
        {(found) => (
          <>
            <dl className={styles.facts}>
              <dt>Workspace</dt>
              <dd>
                <code>{found.workspace}</code>
              </dd>
              <dt>MLflow</dt>
              <dd>
                <code>{found.tracking}</code>
              </dd>
              <dt>System</dt>
              <dd>
                {found.system}, {found.cores} cores, {found.gpus.length === 0 ? "no GPU" : `GPUs ${found.gpus.join(", ")}`}
              </dd>
            </dl>
            <ul className={styles.versions}>
              {Object.entries(found.versions).map(([name, version]) => (
                <li key={name}>
                  {name} <span className="muted numbers">{version}</span>
                </li>
              ))}
            </ul>
            <div>
              <CopyButton title="Copy for a report of a fault" text={JSON.stringify(found, null, 2)} />
            </div>
          </>
        )}
      </Answer>
    </Section>
  );
}
