// What a version's folder says of itself: figures with intervals, parity, formats, decisions, files.
import type { Schemas } from "../../api/client";
import { count, figure, interval, metricName, splitName } from "../../components/format";
import { Section } from "../../components/Page";
import { fileSize, megabytes, milliseconds, percent } from "../models/figures";
import { Scrolls } from "../../components/Scrolls";
import styles from "./model.module.css";

type ModelDetails = Schemas["ModelDetails"];

export function Passport({ model }: { model: ModelDetails }) {
  return (
    <div className="stack">
      <div className="columns">
        <Metrics model={model} />
        <Decisions model={model} />
      </div>
      <Classes model={model} />
      <div className="columns">
        <Formats model={model} />
        <Files model={model} />
      </div>
    </div>
  );
}

function Metrics({ model }: { model: ModelDetails }) {
  const splits = Object.keys(model.metrics).reverse();
  const names = [...new Set(splits.flatMap((split) => Object.keys(model.metrics[split] ?? {})))];
  return (
    <Section title="Metrics">
      <Scrolls label="metrics by split">
        <table>
          <thead>
            <tr>
              <th>Metric</th>
              {splits.map((split) => (
                <th key={split}>{splitName(split)} images</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {names.map((name) => (
              <tr key={name}>
                <td className={styles.nowrap}>{metricName(name)}</td>
                {splits.map((split) => (
                  <td key={split} className={styles.nowrap}>
                    {interval(model.metrics[split]?.[name])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolls>
    </Section>
  );
}

function Decisions({ model }: { model: ModelDetails }) {
  const point = model.operating_point;
  const facts: [string, string | null][] = [
    ["Sees", model.preprocessing],
    ["Operating point", point === null ? "the model's own decisions" : point.wanted],
    ["Thresholds", model.thresholds.length === 0 ? "none: the most probable class is the answer" : null],
    ["Temperature", model.temperature === null ? null : figure(model.temperature)],
    ["Weights from", text(model.weights["source"])],
    ["Licence of weights", text(model.weights["licence"]) ?? "not stated by their source"],
    ["Packaged by", Object.entries(model.packages).map(([name, version]) => `${name} ${version}`).join(", ") || null],
  ];
  return (
    <Section title="How it decides">
      <Facts facts={facts} />
      {point?.sentences.map((sentence) => <p key={sentence} className="small">{sentence}</p>)}
      {model.thresholds.length > 0 && (
        <p className="small">
          Thresholds:{" "}
          {model.classes.slice(0, 40).map((name, i) => `${name} ${figure(model.thresholds[i], 2)}`).join(", ")}
          {model.classes.length > 40 && ` and ${model.classes.length - 40} more`}
        </p>
      )}
      {model.prediction_sets.length > 0 && (
        <Scrolls label="formats">
          <table>
            <caption className="hidden-text">Prediction sets</caption>
            <thead>
              <tr>
                <th>Sets may miss</th>
                <th>Truth held on test images</th>
                <th className="number">Labels</th>
              </tr>
            </thead>
            <tbody>
              {model.prediction_sets.map((set) => (
                <tr key={set.error_rate}>
                  <td>{percent(set.error_rate)}</td>
                  <td className={styles.nowrap}>{interval(set.covered as { value: number } | null)}</td>
                  <td className="number">{figure(set.mean_size, 2)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scrolls>
      )}
    </Section>
  );
}

function Classes({ model }: { model: ModelDetails }) {
  const split = "test" in model.per_class ? "test" : "val";
  const rows = model.per_class[split] ?? [];
  const columns = Object.keys(rows[0] ?? {});
  if (rows.length === 0) return null;
  return (
    <Section title={`Classes, ${splitName(split)} images`} aside={<span className="muted">{count(rows.length, "class", "classes")}</span>}>
      <div className="scrolls" style={{ maxHeight: 420, overflowY: "auto" }} tabIndex={0} role="region" aria-label="classes">
        <table>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} className={column === "class" ? "" : "number"}>
                  {metricName(column)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, i) => (
              <tr key={i}>
                {columns.map((column) => (
                  <td key={column} className={column === "class" ? "" : "number"}>
                    {cell(row[column])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

function Formats({ model }: { model: ModelDetails }) {
  const parity = Object.entries(model.parity).map(([name, value]): [string, string] => [metricName(name), cell(value)]);
  const latency = Object.entries(model.latency).map(([threads, found]): [string, string] => [
    threads,
    `${milliseconds(found["median_ms"])} median, ${milliseconds(found["p95_ms"])} 95th percentile`,
  ]);
  return (
    <Section title="Formats, latency and parity">
      <Scrolls label="parity">
        <table>
          <thead>
            <tr>
              <th>Format</th>
              <th className="number">Size</th>
              <th className="number">Latency</th>
              <th>Metric</th>
              <th>Change</th>
            </tr>
          </thead>
          <tbody>
            {model.formats.map((each) => (
              <tr key={each.runtime}>
                <td>{each.file ?? each.runtime}</td>
                <td className="number">{megabytes(each.size_mb)}</td>
                <td className="number">{milliseconds(each.latency_ms)}</td>
                <td>{each.score === null ? "not measured" : `${metricName(each.metric ?? "")} ${figure(each.score)}`}</td>
                <td>{each.refused === null ? interval(each.change) : `refused: ${each.refused}`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolls>
      <h3>Latency of one image, measured at packaging</h3>
      <Facts facts={latency} />
      <h3>Exported against trained</h3>
      <Facts facts={parity} />
    </Section>
  );
}

function Files({ model }: { model: ModelDetails }) {
  return (
    <Section title="Files">
      {model.folder !== null && <code style={{ overflowWrap: "anywhere" }}>{model.folder}</code>}
      <table>
        <tbody>
          {model.files.map((file) => (
            <tr key={file.name}>
              <td style={{ overflowWrap: "anywhere" }}>{file.name}</td>
              <td className="number">{fileSize(file.bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

/** Names and values; what is not known is left out. */
export function Facts({ facts }: { facts: [string, React.ReactNode][] }) {
  return (
    <dl className={styles.facts}>
      {facts
        .filter(([, value]) => value !== null && value !== "")
        .map(([name, value]) => (
          <div key={name} style={{ display: "contents" }}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function cell(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value < 0.001 ? value.toExponential(1) : figure(value);
  return value === null || value === undefined ? "–" : String(value);
}
