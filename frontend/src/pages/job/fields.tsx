// Fields of the form that follow from the schema of what they hold.
import { useState } from "react";
import { Select, TextField } from "../../components/controls";
import { known, limits, parsed, typed, type Path, type Property } from "./draft";
import styles from "./job.module.css";

/** The id of a field, so that a mistake in the list leads to it. */
export const fieldId = (path: Path) => `field-${path.join("-")}`;

const sentence = (text: string | undefined) => (text ?? "").replaceAll("`", "");

/** A text whose value is read as a number or flag where it is one; what is typed stays as it was typed. */
export function ValueField({ label, value, onChange, hint, fault, placeholder, id, read = parsed }: {
  label: string;
  value: unknown;
  onChange: (value: unknown) => void;
  hint?: string | undefined;
  fault?: string | undefined;
  placeholder?: string;
  id?: string;
  read?: (text: string) => unknown;
}) {
  const [text, setText] = useState(typed(value));
  const isSame = JSON.stringify(text.trim() === "" ? undefined : read(text)) === JSON.stringify(value === "" ? undefined : value);
  const take = (typedText: string) => {
    setText(typedText);
    onChange(typedText.trim() === "" ? undefined : read(typedText));
  };
  return (
    <div id={id}>
      <TextField label={label} value={isSame ? text : typed(value)} onChange={take} hint={hint} fault={fault} {...(placeholder === undefined ? {} : { placeholder })} />
    </div>
  );
}

const UNSET = "-";

/** A field for one property of a schema; an empty one keeps the default. */
export function SchemaField({ name, property, value, onChange, fault, path, label }: {
  name: string;
  property: Property;
  value: unknown;
  onChange: (value: unknown) => void;
  fault?: string | undefined;
  path: Path;
  label?: string;
}) {
  const shape = known(property);
  const words = name.replaceAll("_", " ");
  const title = label ?? words.charAt(0).toUpperCase() + words.slice(1);
  const usual = shape.default === null || shape.default === undefined ? "" : typed(shape.default);
  const options = shape.type === "boolean" ? [true, false] : shape.enum;
  if (options !== undefined) {
    const word = (option: unknown) => (option === true ? "yes" : option === false ? "no" : typed(option));
    return (
      <div id={fieldId(path)} className={styles.withFault}>
        <Select
          label={title}
          value={value === undefined ? UNSET : typed(value)}
          options={[
            { id: UNSET, title: usual === "" ? "as usual" : `as usual: ${word(shape.default)}` },
            ...options.map((option) => ({ id: typed(option), title: word(option) })),
          ]}
          onChange={(id) => onChange(id === UNSET ? undefined : options.find((option) => typed(option) === id))}
          hint={sentence(property.description)}
        />
        {fault !== undefined && <Fault>{fault}</Fault>}
      </div>
    );
  }
  const range = limits(property);
  return (
    <ValueField
      id={fieldId(path)}
      label={title}
      value={value}
      onChange={onChange}
      fault={fault}
      placeholder={usual}
      hint={[sentence(property.description), range].filter((part) => part !== "").join("; ")}
      {...(shape.type === "string" ? { read: (text: string) => text } : {})}
    />
  );
}

export function Fault({ children }: { children: string }) {
  return (
    <span className={styles.fault} role="alert">
      {children}
    </span>
  );
}
