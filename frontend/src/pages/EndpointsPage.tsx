// What is served, by which models, and does it still see what they were validated on?
import { useState } from "react";
import { $api, type Schemas } from "../api/client";
import { IntervalDot } from "../charts/IntervalDot";
import { Button, Tag } from "../components/controls";
import { CopyButton } from "../components/CopyButton";
import { figure, interval, moment } from "../components/format";
import { Page, Section } from "../components/Page";
import { Scrolls } from "../components/Scrolls";
import { Answer, Empty } from "../components/states";
import styles from "./endpoints/endpoints.module.css";

type Endpoint = Schemas["EndpointDetails"];
type Drift = Schemas["DriftDetails"];

export default function EndpointsPage() {
  const endpoints = $api.useQuery("get", "/api/v1/endpoints", {}, { refetchInterval: 10_000 });
  return (
    <Page title="Endpoints" summary={<p className="muted">What this workspace serves over HTTP. Commands and files change it; its server follows within a second.</p>}>
      <Answer query={endpoints}>
        {({ endpoints: found }) =>
          found.length === 0 ? (
            <Empty title="Nothing is served yet" command="automl-vision deploy NAME@champion --endpoint NAME">
              An endpoint answers requests over HTTP with one or several models, guarded by keys.
            </Empty>
          ) : (
            <div className="stack">
              {found.map((endpoint) => (
                <EndpointPanel key={endpoint.name} endpoint={endpoint} />
              ))}
            </div>
          )
        }
      </Answer>
    </Page>
  );
}

function EndpointPanel({ endpoint }: { endpoint: Endpoint }) {
  const command = `automl-vision serve ${endpoint.name}`;
  return (
    <Section title={endpoint.name} aside={endpoint.needs_key ? <Tag tone="good">keys</Tag> : <Tag tone="warning">open to everyone</Tag>}>
      {endpoint.problem !== null && <p role="alert">{endpoint.problem}</p>}
      <Deployments endpoint={endpoint} />
      <div className="line">
        <code className={styles.command}>{command}</code>
        <CopyButton text={command} />
      </div>
      {endpoint.deployments.map(({ name, samples }) => (
        <DriftCheck key={name} endpoint={endpoint} deployment={name} samples={samples} />
      ))}
      <details>
        <summary>Keys and last changes</summary>
        <ul className={styles.list}>
          {endpoint.keys.map((key) => (
            <li key={key.name}>
              {key.name} key, made {moment(key.created)}
              {key.per_second !== null && `, at most ${key.per_second} requests per second`}
              {key.per_day !== null && `, ${key.per_day.toLocaleString("en-US")} per day`}
            </li>
          ))}
          {endpoint.changes.map((change) => (
            <li key={`${change.time}${change.what}`} className="muted">
              {moment(change.time)} · {change.user} · {change.what}
            </li>
          ))}
        </ul>
        <p className="muted small">
          <code>{endpoint.folder}</code>
        </p>
      </details>
    </Section>
  );
}

function Deployments({ endpoint }: { endpoint: Endpoint }) {
  return (
    <Scrolls label={`deployments of ${endpoint.name}`}>
      <table className={styles.table}>
        <thead>
          <tr>
            <th>Deployment</th>
            <th>Model</th>
            <th className="number">Traffic</th>
            <th className="number">Mirrored</th>
            <th className="number">Samples</th>
          </tr>
        </thead>
        <tbody>
          {endpoint.deployments.map((each) => (
            <tr key={each.name}>
              <td>{each.name}</td>
              <td>
                {each.model}
                {each.backend !== null && <span className="muted small"> on {each.backend}</span>}
              </td>
              <td className="number">{each.traffic} %</td>
              <td className="number">{each.mirror} %</td>
              <td className="number">{each.samples.toLocaleString("en-US")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolls>
  );
}

/** A check of one deployment, made when it is asked for: it takes a second of the server. */
function DriftCheck({ endpoint, deployment, samples }: { endpoint: Endpoint; deployment: string; samples: number }) {
  const [asked, ask] = useState(false);
  const drift = $api.useQuery(
    "get",
    "/api/v1/endpoints/{name}/drift",
    { params: { path: { name: endpoint.name }, query: { deployment } } },
    { enabled: asked },
  );
  if (endpoint.samples_per_minute === 0 && samples === 0) {
    return <p className="muted small">Nothing is kept of what {deployment} sees, so nothing can be compared.</p>;
  }
  if (!asked) {
    return (
      <div>
        <Button kind="quiet" onPress={() => ask(true)}>
          Has what {deployment} sees changed?
        </Button>
      </div>
    );
  }
  return <Answer query={drift}>{(found) => <DriftFigures drift={found} />}</Answer>;
}

function DriftFigures({ drift }: { drift: Drift }) {
  return (
    <section className="stack" aria-label={`what ${drift.deployment} sees`}>
      <p className="line">
        <Tag tone={drift.is_alarm ? "warning" : drift.level === null ? "plain" : "good"}>
          {drift.is_alarm ? "changed" : drift.level === null ? "too few images" : "as in the validation"}
        </Tag>
        <span>
          {drift.sentence}
          {drift.since !== null && drift.until !== null && (
            <span className="muted small">
              {" "}
              ({day(drift.since)} to {day(drift.until)})
            </span>
          )}
        </span>
      </p>
      {drift.right_before !== null && drift.right_now !== null && <Right drift={drift} />}
      {drift.changes.length > 0 && (
        <div className="columns">
          <Respects drift={drift} />
          <Shares drift={drift} />
        </div>
      )}
    </section>
  );
}

function day(text: string): string {
  return moment(Date.parse(text) / 1000);
}

function Right({ drift }: { drift: Drift }) {
  const rows = [
    { title: "validation", found: known(drift.right_before) },
    { title: "now, estimated", found: known(drift.right_now) },
  ];
  return (
    <>
      <table className={`${styles.table} ${styles.right}`}>
        <caption>Answers that are right</caption>
        <tbody>
          {rows.map(({ title, found }) => (
            <tr key={title}>
              <th scope="row">{title}</th>
              <td>{found !== null && <IntervalDot found={found} axis={{ low: 0, high: 1 }} />}</td>
              <td className="number">{interval(found, 2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="muted small">
        {drift.is_estimate_trusted
          ? "The estimate is by the model's own probabilities, which the validation bore out."
          : "The estimate trusts the model's own probabilities. Images have changed, so it may well be less: label some."}
      </p>
    </>
  );
}

function known(found: Drift["right_now"]): { value: number; low: number; high: number } | null {
  if (found === null || found.value === null || found.low === null || found.high === null) return null;
  return { value: found.value, low: found.low, high: found.high };
}

function Respects({ drift }: { drift: Drift }) {
  return (
    <Scrolls label="what was compared">
      <table className={styles.table}>
        <caption>What was compared, the most certain change first (level {drift.level})</caption>
        <thead>
          <tr>
            <th>What</th>
            <th className="number">p</th>
            <th className="number">Validation</th>
            <th className="number">Now</th>
          </tr>
        </thead>
        <tbody>
          {drift.changes.map((change) => (
            <tr key={change.name}>
              <td>
                {change.words} {change.has_changed && <Tag tone="warning">changed</Tag>}
              </td>
              <td className="number">{change.p_value < 0.001 ? "< 0.001" : figure(change.p_value)}</td>
              <td className="number">{change.before === null ? "" : figure(change.before, 2)}</td>
              <td className="number">{change.now === null ? "" : figure(change.now, 2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolls>
  );
}

/** Shares of the classes before and now, as bars on one scale. */
function Shares({ drift }: { drift: Drift }) {
  const most = Math.max(...drift.shares.flatMap(({ before, now }) => [before, now]), 1e-9);
  return (
    <Scrolls label="shares of the classes">
      <table className={styles.table}>
        <caption>Classes: mean probability, or objects per image</caption>
        <thead>
          <tr>
            <th>Class</th>
            <th className="number">Validation</th>
            <th className="number">Now</th>
            <th>
              <span className="hidden-text">both as bars</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {drift.shares.map(({ label, before, now }) => (
            <tr key={label}>
              <td>{label}</td>
              <td className="number">{figure(before, 2)}</td>
              <td className="number">{figure(now, 2)}</td>
              <td className={styles.bars} aria-hidden="true">
                <svg viewBox="0 0 100 14" preserveAspectRatio="none">
                  <rect className={styles.before} x="0" y="1" width={(100 * before) / most} height="5" />
                  <rect className={styles.now} x="0" y="8" width={(100 * now) / most} height="5" />
                </svg>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolls>
  );
}
