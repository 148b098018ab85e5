// The classes to choose from: buttons with number keys while there are few, a list that one types in for many.
import { useState } from "react";
import { Button, Select, Tag, TextField } from "../../components/controls";
import styles from "./edits.module.css";

export const MOST_CHIPS = 12;

export function Classes({ title, classes, chosen, suggested, disabled = false, onChoose, onAdd }: {
  title: string;
  classes: string[];
  chosen: string[];
  suggested?: string | undefined;
  disabled?: boolean;
  onChoose: (label: string) => void;
  onAdd: (label: string) => void;
}) {
  return (
    <div className="stack">
      {classes.length <= MOST_CHIPS ? (
        <>
          <h2>{title}</h2>
          <div className={styles.chips} role="group" aria-label={title}>
            {classes.map((label, i) => (
              <button
                key={label}
                type="button"
                className={styles.chip}
                aria-pressed={chosen.includes(label)}
                aria-keyshortcuts={i < 9 ? String(i + 1) : undefined}
                disabled={disabled}
                onClick={() => onChoose(label)}
              >
                {i < 9 && <kbd aria-hidden>{i + 1}</kbd>} {label}
                {label === suggested && <Tag tone="warning">suggested</Tag>}
              </button>
            ))}
          </div>
        </>
      ) : (
        <Select
          label={title}
          value={chosen.length === 1 ? (chosen[0] ?? null) : null}
          options={classes.map((label) => ({ id: label, title: chosen.includes(label) ? `${label} ✓` : label }))}
          onChange={onChoose}
          {...(suggested === undefined ? {} : { hint: `Suggested: ${suggested}` })}
        />
      )}
      {chosen.length > 1 && classes.length > MOST_CHIPS && <p className="small">{chosen.join(", ")}</p>}
      <NewClass classes={classes} onAdd={onAdd} />
    </div>
  );
}

function NewClass({ classes, onAdd }: { classes: string[]; onAdd: (label: string) => void }) {
  const [typed, setTyped] = useState("");
  const name = typed.trim();
  return (
    <details>
      <summary className="small">A class that the data does not have yet</summary>
      <form
        className={styles.choose}
        onSubmit={(event) => {
          event.preventDefault();
          if (name === "") return;
          onAdd(name);
          setTyped("");
        }}
      >
        <TextField label="Name of the new class" value={typed} onChange={setTyped} />
        <Button type="submit" isDisabled={name === "" || classes.includes(name)}>
          Use it
        </Button>
      </form>
    </details>
  );
}
