// What will run and for how long, the start, and the job as others can use it.
import { useState } from "react";
import { Button, Tabs } from "../../components/controls";
import { count } from "../../components/format";
import { Queue } from "../../components/Queue";
import { CopyButton } from "../../components/CopyButton";
import { Checkbox } from "../../components/choices";
import { Section } from "../../components/Page";
import { Problem } from "../../components/states";
import { bare, type Fault, type PlannedJob } from "./draft";
import { fieldId } from "./fields";
import styles from "./job.module.css";

export function PlanPart({ check, faults, isChecking, canStart, isStarting, error, onStart }: {
  check: PlannedJob | undefined;
  faults: Fault[];
  isChecking: boolean;
  canStart: boolean;
  isStarting: boolean;
  error: unknown;
  onStart: (queue: boolean) => void;
}) {
  const [now, setNow] = useState(false);
  const waits = check?.waits_for ?? [];
  return (
    <Section title="Plan" aside={isChecking ? <span className="muted small">checking</span> : undefined}>
      <div aria-live="polite" className="stack">
        {check !== undefined && check.sentence !== "" && (
          <>
            <p>
              {check.sentence}
              {check.ready !== "" && `; ${check.ready}`}.
            </p>
            <ul className={`small muted ${styles.list}`}>
              {(check.plan?.reasons ?? []).map((reason) => (
                <li key={reason}>{reason}</li>
              ))}
            </ul>
          </>
        )}
        {check !== undefined && check.sentence === "" && faults.length === 0 && <p className="muted">Choose data to see what fits into the time.</p>}
        {waits.length > 0 && (
          <>
            <p>It waits for {count(waits.length, "run")}; its time begins with its turn.</p>
            <Queue />
          </>
        )}
        {faults.length > 0 && (
          <div role="alert">
            <strong>{count(faults.length, "mistake")}</strong>
            <ul className={styles.mistakes}>
              {faults.map((fault, i) => (
                <li key={i}>
                  <a href={`#${fieldId(fault.path)}`}>{fault.path.filter((part) => typeof part === "string").join(" › ").replaceAll("_", " ") || "job"}</a>: {bare(fault)}
                </li>
              ))}
            </ul>
          </div>
        )}
      </div>
      {waits.length > 0 && (
        <Checkbox isSelected={now} onChange={setNow}>
          Start at once, beside the others
        </Checkbox>
      )}
      {error !== null && error !== undefined && <Problem error={error} />}
      <div className="line">
        <Button kind="primary" isDisabled={!canStart || isStarting} onPress={() => onStart(!now)}>
          {isStarting ? "Starting" : "Start"}
        </Button>
        {!canStart && !isChecking && faults.length === 0 && <span className="muted small">once data is chosen</span>}
      </div>
    </Section>
  );
}

export function Texts({ check }: { check: PlannedJob | undefined }) {
  const [shown, setShown] = useState("yaml");
  const texts = check?.texts;
  if (texts === null || texts === undefined) return null;
  const one = (text: string) => () => (
    <div className="stack">
      <pre className={styles.text} tabIndex={0}>{text}</pre>
      <div>
        <CopyButton text={text} />
      </div>
    </div>
  );
  return (
    <Section title="The same job elsewhere">
      <Tabs
        label="forms of the job"
        shown={shown}
        onShow={setShown}
        tabs={[
          { id: "yaml", title: "YAML", content: one(texts.yaml) },
          { id: "python", title: "Python", content: one(texts.python) },
          { id: "command", title: "Command", content: one(texts.command) },
        ]}
      />
    </Section>
  );
}

/** Fills the form from a job file that is pasted, dropped or chosen. */
export function FromYaml({ onRead, error }: { onRead: (text: string, done: () => void) => void; error: unknown }) {
  const [isOpen, setOpen] = useState(false);
  const [text, setText] = useState("");
  if (!isOpen)
    return (
      <div>
        <Button kind="quiet" onPress={() => setOpen(true)}>
          Fill the form from a job file
        </Button>
      </div>
    );
  return (
    <Section title="From a job file">
      <label className="stack">
        <span>Paste the YAML, or drop the file on this page</span>
        <textarea className={styles.area} value={text} spellCheck={false} onChange={(event) => setText(event.target.value)} />
      </label>
      {error !== null && error !== undefined && <Problem error={error} />}
      <div className="line">
        <Button onPress={() => onRead(text, () => setOpen(false))} isDisabled={text.trim() === ""}>
          Fill the form
        </Button>
        <Button kind="quiet" onPress={() => setOpen(false)}>
          Close
        </Button>
      </div>
    </Section>
  );
}
