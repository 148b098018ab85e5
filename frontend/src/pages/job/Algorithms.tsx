// The algorithms of a task with size and licence, to choose one or several.
import { $api, type Schemas } from "../../api/client";
import { Checkbox } from "../../components/choices";
import { Skeleton } from "../../components/states";
import styles from "./job.module.css";

const SOURCES: Record<string, string> = { package: "installed", hub: "fetched from a hub", none: "random weights" };

/** A table of algorithms; what is known of their size and licence comes a few seconds later. */
export function Algorithms({ task, chosen, onChange, several }: {
  task: Schemas["FormTask"];
  chosen: string[];
  onChange: (names: string[]) => void;
  several: boolean;
}) {
  const facts = $api.useQuery("get", "/api/v1/jobs/algorithms", { params: { query: { task: task.name } } }, { staleTime: Infinity });
  const known = new Map(facts.data?.map((one) => [one.name, one]));
  const names = [...Object.keys(task.algorithms), ...chosen.filter((name) => !(name in task.algorithms))];
  const toggle = (name: string, on: boolean) => {
    if (several) onChange(on ? [...chosen, name] : chosen.filter((one) => one !== name));
    else onChange(on ? [name] : []);
  };
  return (
    <div className={`${styles.rows} scrolls`} role="region" aria-label={`algorithms for ${task.title}`} tabIndex={0}>
      <table>
        <caption className="hidden-text">Algorithms for {task.title}</caption>
        <thead>
          <tr>
            <th>Algorithm</th>
            <th className="number">Weights</th>
            <th>Licence</th>
            <th>Pretrained</th>
          </tr>
        </thead>
        <tbody>
          {names.map((name) => {
            const one = known.get(name);
            return (
              <tr key={name}>
                <td>
                  <Checkbox isSelected={chosen.includes(name)} onChange={(on) => toggle(name, on)}>
                    {name}
                    {name === task.default_model && <span className="muted small"> default</span>}
                  </Checkbox>
                </td>
                <td className="number">{one === undefined ? "" : `${(one.parameters / 1e6).toFixed(1)} M`}</td>
                <td>{one === undefined ? "" : (one.licence ?? "not stated")}</td>
                <td>{one === undefined ? "" : (SOURCES[one.weights] ?? one.weights)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {facts.isPending && <Skeleton heights={[20]} />}
    </div>
  );
}
