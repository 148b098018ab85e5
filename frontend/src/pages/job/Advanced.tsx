// Everything that the config can say besides data and time; the fields follow from its schema.
import { Choices } from "../../components/choices";
import { Select } from "../../components/controls";
import type { Schemas } from "../../api/client";
import { Algorithms } from "./Algorithms";
import { faultAt, isValues, typed, valueAt, type Fault, type JobForm, type Path, type Property, type Values } from "./draft";
import { Fault as FaultText, fieldId, SchemaField } from "./fields";
import { FixedSettings } from "./FixedSettings";
import styles from "./job.module.css";
import { Space } from "./Space";

type Mode = "automode" | "one" | "sweep";

const MODES: { id: Mode; title: string }[] = [
  { id: "automode", title: "AutoMode decides" },
  { id: "one", title: "One algorithm" },
  { id: "sweep", title: "Search space" },
];
const PLAIN = ["experiment", "max_latency_ms", "max_size_mb", "enable_voting_ensemble", "automode_gate", "refit_full", "iterations", "max_concurrent_iterations", "compute_target", "seed", "validation_data", "validation_data_size", "max_bad_share", "exif", "value_range", "threads", "processes_per_trial"];

export function Advanced({ form, values, faults, ranges, tasks, onChange, onTask }: {
  form: JobForm;
  values: Values;
  faults: Fault[];
  ranges: Schemas["SpaceRange"][];
  tasks: string[];
  onChange: (path: Path, value: unknown) => void;
  onTask: (task: string) => void;
}) {
  const task = form.tasks.find((one) => one.name === values.task) ?? form.tasks[0];
  if (task === undefined) return null;
  const properties = form.job.properties as Record<string, Property>;
  const mode: Mode = values.hyperparameter_sampling !== undefined ? "sweep" : values.model_name !== undefined || values.iterations === 1 ? "one" : "automode";
  const choose = (chosen: string) => {
    onChange(["hyperparameter_sampling"], chosen === "sweep" ? { type: "random", space: { learning_rate: { type: "loguniform", low: -9, high: -4 } } } : undefined);
    onChange(["model_name"], chosen === "one" ? task.default_model : undefined);
    if (chosen === "sweep" && values.iterations === undefined) onChange(["iterations"], 20);
    if (chosen !== "sweep") onChange(["iterations"], undefined);
  };
  const offered = form.tasks.filter((one) => tasks.length === 0 || tasks.includes(one.name));
  return (
    <>
      <div className={styles.grid}>
        <div id={fieldId(["task"])} className={styles.withFault}>
          <Select label="Task" value={values.task === undefined ? null : task.name} options={offered.map((one) => ({ id: one.name, title: one.title }))} onChange={onTask} hint="tasks that the labels can be used for" />
          <Faults faults={faults} path={["task"]} />
        </div>
        <div id={fieldId(["primary_metric"])} className={styles.withFault}>
          <Select
            label="Primary metric"
            value={typed(values.primary_metric) || task.primary_metric}
            options={task.metrics.map((metric) => ({ id: metric, title: metric.replaceAll("_", " ") + (metric === task.primary_metric ? " (usual)" : "") }))}
            onChange={(metric) => onChange(["primary_metric"], metric === task.primary_metric ? undefined : metric)}
            hint="ranks the trials"
          />
          <Faults faults={faults} path={["primary_metric"]} />
        </div>
      </div>
      <div className="stack" id={fieldId(["model_name"])}>
        <Choices label="What is tried" options={MODES} value={mode} onChange={choose} />
        <Faults faults={faults} path={["model_name"]} />
        {mode === "one" && (
          <Algorithms task={task} several={false} chosen={values.model_name === undefined ? [] : [typed(values.model_name)]} onChange={(chosen) => onChange(["model_name"], chosen[0])} />
        )}
      </div>
      {mode === "sweep" && <Sweep form={form} task={task} values={values} faults={faults} ranges={ranges} onChange={onChange} />}
      <Typed title="Early termination" none="none: every trial runs to its end" name="policy" shapes={form.policies} values={values} faults={faults} onChange={onChange} />
      <div className={styles.grid}>
        {PLAIN.map((name) => (
          <SchemaField
            key={name}
            name={name}
            path={[name]}
            property={name === "compute_target" ? { ...properties[name] } : (properties[name] ?? {})}
            value={values[name]}
            onChange={(value) => onChange([name], value)}
            fault={faultAt(faults, [name])}
          />
        ))}
      </div>
      <FixedSettings form={form} task={task} values={values} faults={faults} onChange={onChange} />
    </>
  );
}

function Faults({ faults, path }: { faults: Fault[]; path: Path }) {
  const fault = faultAt(faults, path);
  return fault === undefined ? null : <FaultText>{fault}</FaultText>;
}

function Sweep({ form, task, values, faults, ranges, onChange }: {
  form: JobForm;
  task: Schemas["FormTask"];
  values: Values;
  faults: Fault[];
  ranges: Schemas["SpaceRange"][];
  onChange: (path: Path, value: unknown) => void;
}) {
  const path = ["hyperparameter_sampling", "space"];
  const space = valueAt(values, path);
  return (
    <>
      <Typed title="Sampler" name="hyperparameter_sampling" shapes={form.samplings} values={values} faults={faults} onChange={onChange} />
      <div className="stack" id={fieldId(path)}>
        <h3>Search space</h3>
        <Faults faults={faults} path={path} />
        <Space scope={{ form, task, faults, ranges, onChange }} entries={isValues(space) ? space : {}} path={path} />
      </div>
    </>
  );
}

const NONE = "-";

/** A setting that is one of several types with fields of their own. */
function Typed({ title, none, name, shapes, values, faults, onChange }: {
  title: string;
  none?: string;
  name: string;
  shapes: Record<string, unknown>;
  values: Values;
  faults: Fault[];
  onChange: (path: Path, value: unknown) => void;
}) {
  const value = isValues(values[name]) ? (values[name] as Values) : undefined;
  const type = value === undefined ? NONE : typed(value.type);
  const shape = shapes[type] as { description?: string; properties?: Record<string, Property> } | undefined;
  const parts = Object.entries(shape?.properties ?? {}).filter(([part]) => part !== "type" && part !== "space");
  const choose = (chosen: string) => {
    const kept = value?.space === undefined ? {} : { space: value.space };
    onChange([name], chosen === NONE ? undefined : { type: chosen, ...kept });
  };
  const options = Object.keys(shapes).filter((id) => none === undefined || id !== "none").map((id) => ({ id, title: id.replaceAll("_", " ") }));
  return (
    <div className="stack">
      <div className={styles.grid}>
        <div id={fieldId([name])} className={styles.withFault}>
          <Select label={title} value={type} options={none === undefined ? options : [{ id: NONE, title: none }, ...options]} onChange={choose} {...(shape?.description === undefined ? {} : { hint: shape.description })} />
          <Faults faults={faults} path={[name]} />
          <Faults faults={faults} path={[name, "type"]} />
        </div>
        {parts.map(([part, property]) => (
          <SchemaField key={`${type}-${part}`} name={part} path={[name, part]} property={property} value={value?.[part]} onChange={(changed) => onChange([name, part], changed)} fault={faultAt(faults, [name, part])} />
        ))}
      </div>
    </div>
  );
}
