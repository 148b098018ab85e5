// Hyperparameters that every trial has, each with the field that its type asks for.
import { Button, Select } from "../../components/controls";
import type { Schemas } from "../../api/client";
import { faultAt, isValues, typed, type Fault, type JobForm, type Path, type Property, type Values } from "./draft";
import { SchemaField } from "./fields";
import styles from "./job.module.css";

export function FixedSettings({ form, task, values, faults, onChange }: {
  form: JobForm;
  task: Schemas["FormTask"];
  values: Values;
  faults: Fault[];
  onChange: (path: Path, value: unknown) => void;
}) {
  const given = isValues(values.arguments) ? values.arguments : {};
  const family = task.algorithms[typed(values.model_name) || task.default_model] ?? Object.values(task.algorithms)[0] ?? "";
  const offered = (form.families[family] ?? {}) as Record<string, Property>;
  const anywhere = Object.assign({}, ...Object.values(form.families), offered) as Record<string, Property>;
  const add = (name: string) => {
    const property = offered[name];
    const options = property?.type === "boolean" ? [false, true] : property?.enum;
    onChange(["arguments", name], property?.default ?? options?.[0] ?? 1);
  };
  const remove = (name: string) => onChange(["arguments"], Object.keys(given).length === 1 ? undefined : Object.fromEntries(Object.entries(given).filter(([one]) => one !== name)));
  return (
    <div className="stack" role="group" aria-label="Fixed settings">
      <h3>Fixed settings</h3>
      <div className={styles.grid}>
        {Object.keys(given).map((name) => (
          <div key={name} className="stack">
            <SchemaField
              name={name}
              path={["arguments", name]}
              property={anywhere[name] ?? {}}
              value={given[name]}
              onChange={(value) => onChange(["arguments", name], value ?? "")}
              fault={faultAt(faults, ["arguments", name])}
            />
            <div>
              <Button kind="quiet" onPress={() => remove(name)} aria-label={`Remove ${name}`}>
                Remove
              </Button>
            </div>
          </div>
        ))}
      </div>
      <div className="line">
        <Select
          label="Add a setting"
          value={null}
          options={Object.keys(offered).filter((name) => !(name in given)).map((name) => ({ id: name, title: name }))}
          onChange={add}
        />
      </div>
    </div>
  );
}
