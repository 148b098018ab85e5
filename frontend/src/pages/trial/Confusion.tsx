// What is taken for what, as a matrix, as labels found and missed, or as the worst pairs; each opens its images.
import { $api, type Schemas } from "../../api/client";
import { Section } from "../../components/Page";
import { Answer } from "../../components/states";
import { textOf, useView, type TrialName } from "./address";
import { CaseGallery, type CaseFilter } from "./CaseGallery";
import { Matrix } from "./Matrix";
import styles from "./trial.module.css";
import { Scrolls } from "../../components/Scrolls";

type Found = Schemas["Confusion"];

export function Confusion({ trial, split }: { trial: TrialName; split: string | undefined }) {
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}/trials/{number}/confusion", {
    params: { path: { run_id: trial.runId, number: trial.number }, query: split === undefined ? {} : { split } },
  });
  return <Answer query={query}>{(found) => <Shown found={found} trial={trial} split={split} />}</Answer>;
}

function Shown({ found, trial, split }: { found: Found; trial: TrialName; split: string | undefined }) {
  const { view, set } = useView();
  const chosen = { true: textOf(view, "true"), predicted: textOf(view, "predicted") };
  const outcome = { label: textOf(view, "label"), outcome: textOf(view, "outcome") as CaseFilter["outcome"] };
  const choose = (cell: { true: string; predicted: string }) => set({ ...cell, label: undefined, outcome: undefined });
  const isChosen = chosen.true !== undefined && chosen.predicted !== undefined;
  return (
    <>
      <Section title={found.outcomes.length > 0 ? "Labels found, missed and wrongly predicted" : "Confusion matrix"}>
        <p>{found.sentence}</p>
        {found.matrix !== null && (
          <Matrix rows={found.rows} columns={found.columns} matrix={found.matrix} noun={found.noun} chosen={chosen} onChoose={choose} />
        )}
        {found.outcomes.length > 0 && (
          <Outcomes
            found={found}
            chosen={outcome}
            onChoose={(label, name) => set({ label, outcome: name, true: undefined, predicted: undefined })}
          />
        )}
      </Section>
      {isChosen && (
        <Section title={`${chosen.true} predicted as ${chosen.predicted}`}>
          <CaseGallery trial={trial} split={split} filter={chosen} label="images of the cell" />
        </Section>
      )}
      {outcome.label !== undefined && outcome.outcome !== undefined && (
        <Section title={`${outcome.label}: ${OUTCOMES[outcome.outcome]}`}>
          <CaseGallery trial={trial} split={split} filter={outcome} label="images of the label" />
        </Section>
      )}
      {found.pairs.length > 0 && <Pairs found={found} chosen={chosen} onChoose={choose} />}
    </>
  );
}

const OUTCOMES = { found: "found", missed: "missed", wrong: "wrongly predicted" };

function Outcomes({ found, chosen, onChoose }: {
  found: Found;
  chosen: { label: string | undefined; outcome: string | undefined };
  onChoose: (label: string, outcome: "found" | "missed" | "wrong") => void;
}) {
  return (
    <Scrolls label="labels">
      <table>
        <thead>
          <tr>
            <th>Label</th>
            {Object.values(OUTCOMES).map((title) => (
              <th key={title} className="number">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {found.outcomes.map((row) => (
            <tr key={row.label}>
              <td>{row.label}</td>
              {(["found", "missed", "wrong"] as const).map((name) => (
                <td key={name} className="number">
                  <button
                    type="button"
                    className={styles.rowButton}
                    disabled={row[name] === 0}
                    aria-label={`${row.label} ${OUTCOMES[name]}: ${row[name]} images`}
                    aria-pressed={chosen.label === row.label && chosen.outcome === name}
                    onClick={() => onChoose(row.label, name)}
                  >
                    {row[name]}
                  </button>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolls>
  );
}

function Pairs({ found, chosen, onChoose }: {
  found: Found;
  chosen: { true: string | undefined; predicted: string | undefined };
  onChoose: (cell: { true: string; predicted: string }) => void;
}) {
  const most = Math.max(1, ...found.pairs.map((pair) => pair.count));
  return (
    <Section title="Most confused">
      <Scrolls label="most confused">
        <table>
          <thead>
            <tr>
              <th>True → predicted</th>
              <th className="number">{found.noun}s</th>
              <th className="number">of</th>
              <th className={styles.barCell} />
            </tr>
          </thead>
          <tbody>
            {found.pairs.slice(0, found.matrix === null ? 100 : 12).map((pair) => (
              <tr key={`${pair.true}→${pair.predicted}`}>
                <td>
                  <button
                    type="button"
                    className={styles.rowButton}
                    aria-pressed={chosen.true === pair.true && chosen.predicted === pair.predicted}
                    onClick={() => onChoose({ true: pair.true, predicted: pair.predicted })}
                  >
                    {pair.true} → {pair.predicted}
                  </button>
                </td>
                <td className="number">{pair.count}</td>
                <td className="number muted">{pair.of}</td>
                <td className={styles.barCell}>
                  <div className={styles.bar} style={{ width: `${(100 * pair.count) / most}%` }} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolls>
    </Section>
  );
}
