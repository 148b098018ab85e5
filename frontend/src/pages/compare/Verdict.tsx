// Is the difference real? The paired difference with its interval, and what only one of the two gets right.
import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import { axisOf, IntervalDot } from "../../charts/IntervalDot";
import { Tag } from "../../components/controls";
import { count, figure, interval, metricName, splitName } from "../../components/format";
import { Section } from "../../components/Page";
import styles from "./compare.module.css";
import { Scrolls } from "../../components/Scrolls";

type Found = Schemas["ComparedTrials"];
export type Side = "first" | "second" | "both" | "neither";

export function Verdict({ found, names }: { found: Found; names: { first: string; second: string } }) {
  const axis = axisOf([found.difference, { value: 0 }]);
  return (
    <Section title="Is the difference real?">
      <p className={`line ${styles.verdict}`}>
        <Tag tone={found.is_different ? "good" : "plain"}>{found.is_different ? "different" : "not distinguishable"}</Tag> {found.sentence}
      </p>
      <div className={styles.difference}>
        <IntervalDot found={found.difference} axis={axis} reference={0} emphasis={found.is_different ? "best" : "plain"} />
      </div>
      <p className="muted small">
        {metricName(found.metric)} of {names.second} minus {names.first}, {interval(found.difference, 4)}; the dashed line is no difference
        {found.lower_is_better ? "; lower is better" : ""}.
      </p>
      <Scrolls label="both trials">
        <table>
          <thead>
            <tr>
              <th>Trial</th>
              <th>Algorithm</th>
              <th>
                {metricName(found.metric)}, {splitName(found.split)} images
              </th>
              <th className="number">ms per image</th>
              <th className="number">MB</th>
            </tr>
          </thead>
          <tbody className={`numbers ${styles.rows}`}>
            {([found.first, found.second] as const).map((one, i) => (
              <tr key={i}>
                <td>
                  <Link to="/runs/$runId/trials/$trial" params={{ runId: one.run, trial: String(one.trial) }}>
                    {i === 0 ? names.first : names.second}
                  </Link>
                </td>
                <td>{one.model_name}</td>
                <td>{interval(one.score, 4)}</td>
                <td className="number">{figure(one.latency_ms, 1)}</td>
                <td className="number">{figure(one.size_mb, 1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolls>
    </Section>
  );
}

/** McNemar's table: each of its four numbers opens its images. */
export function Counts({ found, names, shown, onShow }: {
  found: Found;
  names: { first: string; second: string };
  shown: Side;
  onShow: (side: Side) => void;
}) {
  const cell = (side: Side, number: number, what: string) => (
    <td>
      <button type="button" className={styles.count} aria-pressed={side === shown} disabled={number === 0} onClick={() => onShow(side)}>
        <b>{number}</b>
        <span className="small">{what}</span>
      </button>
    </td>
  );
  return (
    <Scrolls label="who is right">
      <table className={styles.counts}>
        <caption className="hidden-text">On how many of {count(found.images, "image")} each of the two makes no mistake</caption>
        <thead>
          <tr>
            <th />
            <th>{names.second} right</th>
            <th>{names.second} wrong</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">{names.first} right</th>
            {cell("both", found.both, "both right")}
            {cell("first", found.only_first, `only ${names.first}`)}
          </tr>
          <tr>
            <th scope="row">{names.first} wrong</th>
            {cell("second", found.only_second, `only ${names.second}`)}
            {cell("neither", found.neither, "neither")}
          </tr>
        </tbody>
      </table>
    </Scrolls>
  );
}
