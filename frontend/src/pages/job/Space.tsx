// The search space: names with distributions, and alternatives that bring settings of their own.
import { Button, Select } from "../../components/controls";
import type { Schemas } from "../../api/client";
import { Algorithms } from "./Algorithms";
import { faultAt, isValues, parsed, typed, type Fault, type JobForm, type Path, type Property, type Values } from "./draft";
import { Fault as FaultText, fieldId, ValueField } from "./fields";
import styles from "./job.module.css";

const CONSTANT = "constant";
const ROOT: Path = ["hyperparameter_sampling", "space"];

interface Scope {
  form: JobForm;
  task: Schemas["FormTask"];
  faults: Fault[];
  ranges: Schemas["SpaceRange"][];
  onChange: (path: Path, value: unknown) => void;
}

/** The entries of a space, or of one alternative in it. */
export function Space({ scope, entries, path }: { scope: Scope; entries: Values; path: Path }) {
  const names = Object.keys(entries);
  const free = hyperparameters(scope).filter((name) => !names.includes(name));
  const add = (name: string) => scope.onChange([...path, name], startOf(name, scope));
  return (
    <div className="stack">
      {names.map((name) => (
        <Entry key={name} scope={scope} name={name} entry={entries[name]} path={[...path, name]} />
      ))}
      <div className="line">
        <Select label="Add a hyperparameter" value={null} options={free.map((name) => ({ id: name, title: name }))} onChange={add} />
        {!names.includes("model_name") && <Button onPress={() => add("model_name")}>Add algorithms</Button>}
        {path.length === ROOT.length && !names.includes("alternatives") && (
          <Button onPress={() => add("alternatives")}>Add settings by algorithm</Button>
        )}
      </div>
    </div>
  );
}

function hyperparameters({ form, task }: Scope): string[] {
  const families = new Set(Object.values(task.algorithms));
  return [...new Set([...families].flatMap((family) => Object.keys(form.families[family] ?? {})))].sort();
}

function propertyOf(name: string, { form, task }: Scope): Property {
  for (const family of new Set(Object.values(task.algorithms))) {
    const found = form.families[family]?.[name] as Property | undefined;
    if (found !== undefined) return found;
  }
  return {};
}

/** What an entry begins with: something allowed that can be changed. */
function startOf(name: string, scope: Scope): unknown {
  const first = scope.task.default_model;
  if (name === "model_name") return { type: "choice", values: [first] };
  if (name === "alternatives") return { type: "choice", values: [{ model_name: { type: "choice", values: [first] } }] };
  if (name === "learning_rate") return { type: "loguniform", low: -9, high: -4 };
  const property = propertyOf(name, scope);
  const options = property.enum ?? (property.type === "boolean" ? [true, false] : [property.default ?? 1]);
  return { type: "choice", values: options };
}

function Entry({ scope, name, entry, path }: { scope: Scope; name: string; entry: unknown; path: Path }) {
  const fault = faultAt(scope.faults, path);
  const remove = (
    <Button kind="quiet" onPress={() => scope.onChange(path, undefined)} aria-label={`Remove ${name}`}>
      Remove
    </Button>
  );
  const type = isValues(entry) ? typed(entry.type) : CONSTANT;
  const options = isValues(entry) && Array.isArray(entry.values) ? (entry.values as unknown[]) : [];
  const conditional = type === "choice" && options.some(isValues);
  const range = scope.ranges.find((one) => one.path.join(".") === path.slice(ROOT.length).join("."))?.text;
  return (
    <div className="stack" id={fieldId(path)} role="group" aria-label={name}>
      <div className="line spread">
        <strong>{name.replaceAll("_", " ")}</strong>
        <span className="line">
          {range !== undefined && <span className="muted small numbers">{range}</span>}
          {remove}
        </span>
      </div>
      {fault !== undefined && <FaultText>{fault}</FaultText>}
      {conditional ? (
        <Alternatives scope={scope} options={options} path={path} />
      ) : name === "model_name" ? (
        <Algorithms
          task={scope.task}
          several
          chosen={isValues(entry) ? options.map(typed) : [typed(entry)]}
          onChange={(chosen) => scope.onChange(path, { type: "choice", values: chosen })}
        />
      ) : (
        <Distribution scope={scope} name={name} entry={entry} type={type} path={path} />
      )}
    </div>
  );
}

function Alternatives({ scope, options, path }: { scope: Scope; options: unknown[]; path: Path }) {
  const change = (values: unknown[]) => scope.onChange(path, { type: "choice", values });
  return (
    <div className="stack">
      {options.map((option, i) => (
        <div key={i} className={`stack ${styles.alternative}`} role="group" aria-label={`alternative ${i + 1}`}>
          <div className="line spread">
            <span className="muted">Alternative {i + 1}</span>
            <Button kind="quiet" onPress={() => change(options.filter((_, k) => k !== i))}>
              Remove alternative {i + 1}
            </Button>
          </div>
          <Space scope={scope} entries={isValues(option) ? option : {}} path={[...path, "values", i]} />
        </div>
      ))}
      <div>
        <Button onPress={() => change([...options, { model_name: { type: "choice", values: [scope.task.default_model] } }])}>Add an alternative</Button>
      </div>
    </div>
  );
}

const listOf = (text: string) => text.split(",").map((part) => parsed(part.trim())).filter((part) => part !== "");

function Distribution({ scope, name, entry, type, path }: { scope: Scope; name: string; entry: unknown; type: string; path: Path }) {
  const shape = scope.form.distributions[type] as { properties?: Record<string, Property> } | undefined;
  const parts = Object.keys(shape?.properties ?? {}).filter((part) => part !== "type");
  const values = isValues(entry) ? entry : {};
  const retype = (chosen: string) => {
    const wanted = scope.form.distributions[chosen] as { properties?: Record<string, Property> } | undefined;
    const kept = Object.keys(wanted?.properties ?? {}).filter((part) => part !== "type" && part in values);
    scope.onChange(path, chosen === CONSTANT ? (propertyOf(name, scope).default ?? 1) : { type: chosen, ...Object.fromEntries(kept.map((part) => [part, values[part]])) });
  };
  const types = [...Object.keys(scope.form.distributions), CONSTANT];
  return (
    <div className={styles.entry}>
      <Select label="Distribution" value={type} options={types.map((id) => ({ id, title: id }))} onChange={retype} />
      {type === CONSTANT && <ValueField label="Value" value={entry} onChange={(value) => scope.onChange(path, value ?? "")} />}
      {parts.map((part) => (
        <ValueField
          key={`${type}-${part}`}
          id={fieldId([...path, part])}
          label={part === "values" ? "Values, separated by commas" : part}
          value={values[part]}
          onChange={(value) => scope.onChange([...path, part], value)}
          fault={faultAt(scope.faults, [...path, part])}
          {...(part === "values" ? { read: listOf } : {})}
        />
      ))}
    </div>
  );
}
