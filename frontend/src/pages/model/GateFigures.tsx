// What was measured of both: the difference, what a promotion weighs, and the classes and slices that lost.
import { axisOf, IntervalDot } from "../../charts/IntervalDot";
import { count, figure, interval, metricName } from "../../components/format";
import { megabytes, milliseconds } from "../models/figures";
import type { Gate } from "./Gate";
import { Scrolls } from "../../components/Scrolls";
import styles from "./model.module.css";

export function GateFigures({ gate }: { gate: Gate }) {
  const models = gate.champion === null ? [gate.challenger] : [gate.champion, gate.challenger];
  const axis = axisOf(models.map((model) => model.score));
  return (
    <>
      {gate.overall !== null && (
        <p>
          {metricName(gate.overall.metric)} of {gate.version} minus {gate.current}:{" "}
          <strong className="numbers">{interval(gate.overall.difference)}</strong>, p{" "}
          {figure(gate.overall.p_value)} ({gate.overall.test}). Only {gate.current} is right on{" "}
          {count(gate.overall.only_current, "image")}, only {gate.version} on{" "}
          {count(gate.overall.only_challenger, "image")}; both on {gate.overall.both}, neither on{" "}
          {gate.overall.neither}.
        </p>
      )}
      <Scrolls label="parts">
        <table>
          <caption className="hidden-text">Both models</caption>
          <thead>
            <tr>
              <th>Model</th>
              <th colSpan={2}>{metricName(gate.metric)}</th>
              <th>Calibration error</th>
              <th className="number">Latency</th>
              <th className="number">Size</th>
              <th className="number">Trained on these</th>
            </tr>
          </thead>
          <tbody>
            {models.map((model) => (
              <tr key={model.version}>
                <td className={styles.nowrap}>
                  {model.version} <span className="muted">{model.version === gate.version ? "challenger" : gate.alias}</span>
                </td>
                <td className={styles.nowrap}>{interval(model.score)}</td>
                <td className={styles.dot}>
                  <IntervalDot found={model.score} axis={axis} />
                </td>
                <td className={styles.nowrap}>{interval(model.calibration_error)}</td>
                <td className="number">{milliseconds(model.latency_ms)}</td>
                <td className="number">{megabytes(model.size_mb)}</td>
                <td className="number">{model.seen === null ? "not known" : count(model.seen, "image")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolls>
      <Parts title={`Classes, by ${metricName(gate.class_figure)}`} what="class" parts={gate.classes} />
      <Parts title={`Slices, by ${metricName(gate.metric)}`} what="slice" parts={gate.slices} />
    </>
  );
}

const MOST = 8;

function Parts({ title, what, parts }: { title: string; what: string; parts: Gate["classes"] }) {
  if (parts.length === 0) return null;
  const lost = parts.filter((part) => part.lost).length;
  const axis = axisOf(parts.map((part) => part.difference));
  const shown = parts.slice(0, Math.max(MOST, lost));
  return (
    <details open={lost > 0}>
      <summary>
        {title}:{" "}
        {lost === 0 ? "none lost beyond chance" : <span className={styles.lost}>{lost} lost beyond chance</span>}
      </summary>
      <Scrolls label="rules">
        <table>
          <thead>
            <tr>
              <th>{what}</th>
              <th className="number">Images</th>
              <th className="number">Before</th>
              <th className="number">After</th>
              <th colSpan={2}>Difference</th>
              <th className="number">p (Holm)</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((part) => (
              <tr key={part.name}>
                <td className={`${styles.nowrap} ${part.lost ? styles.lost : ""}`}>
                  {part.name}
                  {part.lost && " (lost)"}
                </td>
                <td className="number">{part.images}</td>
                <td className="number">{figure(part.current)}</td>
                <td className="number">{figure(part.challenger)}</td>
                <td className={styles.nowrap}>{interval(part.difference)}</td>
                <td className={styles.dot}>
                  <IntervalDot found={part.difference} axis={axis} reference={0} />
                </td>
                <td className="number">{figure(part.p_value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolls>
      {shown.length < parts.length && (
        <p className="muted small">The {shown.length} largest losses of {parts.length} are shown.</p>
      )}
    </details>
  );
}
