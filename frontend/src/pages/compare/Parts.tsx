// The two class by class and slice by slice, with p-values that hold for all of them at once.
import { $api, type Schemas } from "../../api/client";
import { axisOf, IntervalDot } from "../../charts/IntervalDot";
import { figure, interval, metricName } from "../../components/format";
import { Section } from "../../components/Page";
import { Answer } from "../../components/states";
import trialStyles from "../trial/trial.module.css";
import { again, WorkWait } from "../trial/WorkWait";
import { queryOf, type Compared } from "./address";
import { Scrolls } from "../../components/Scrolls";

type Part = Schemas["ComparedPart"];
type Names = { first: string; second: string };

export function Classes({ compared, names }: { compared: Compared; names: Names }) {
  const query = $api.useQuery("get", "/api/v1/compare/classes", { params: { query: queryOf(compared) } });
  return (
    <Section title="Classes">
      <Answer query={query}>{(found) => <Table parts={found.parts} what="Class" by={found.figure} names={names} />}</Answer>
    </Section>
  );
}

export function Slices({ compared, names }: { compared: Compared; names: Names }) {
  const query = $api.useQuery(
    "get",
    "/api/v1/compare/slices",
    { params: { query: queryOf(compared) } },
    { refetchInterval: (one) => again(one.state.data?.progress) },
  );
  return (
    <Section title="Slices">
      <Answer query={query}>
        {(found) =>
          found.progress.state === "done" ? (
            <Table parts={found.parts} what="Slice" by={found.metric} names={names} />
          ) : (
            <WorkWait progress={found.progress} doing="Reading each image once, for brightness, contrast and sharpness." />
          )
        }
      </Answer>
    </Section>
  );
}

const LEVEL = 0.05;

function Table({ parts, what, by, names }: { parts: Part[]; what: string; by: string; names: Names }) {
  const axis = axisOf(parts.map((part) => part.difference));
  if (parts.length === 0) return <p className="muted">Nothing has enough images.</p>;
  return (
    <Scrolls label="parts">
      <table>
        <caption className="hidden-text">
          {metricName(by)} by {what.toLowerCase()}
        </caption>
        <thead>
          <tr>
            <th>{what}</th>
            <th className="number">Images</th>
            <th className="number">
              {metricName(by)}, {names.first}
            </th>
            <th className="number">{names.second}</th>
            <th>Difference</th>
            <th className={trialStyles.dotColumn} />
            <th className="number">p (Holm)</th>
          </tr>
        </thead>
        <tbody className={`numbers ${trialStyles.rows}`}>
          {parts.map((part) => (
            <tr key={part.name} className={part.p_value !== null && part.p_value < LEVEL ? trialStyles.primary : undefined}>
              <td>{part.name}</td>
              <td className="number">{part.images}</td>
              <td className="number">{figure(part.first)}</td>
              <td className="number">{figure(part.second)}</td>
              <td className={trialStyles.whole}>{interval(part.difference)}</td>
              <td>
                <IntervalDot found={part.difference} axis={axis} reference={0} />
              </td>
              <td className="number">{figure(part.p_value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolls>
  );
}
