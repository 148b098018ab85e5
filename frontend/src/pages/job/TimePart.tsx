// How long the run may take.
import { useState } from "react";
import { Choices } from "../../components/choices";
import { Section } from "../../components/Page";
import { ValueField, fieldId } from "./fields";

const TIMES: [string, string, number | undefined][] = [
  ["1", "1 min", 0.0167],
  ["5", "5 min", 0.0833],
  ["20", "20 min", 0.3333],
  ["60", "1 h", 1],
  ["120", "2 h", 2],
  ["480", "8 h", 8],
  ["none", "No limit", undefined],
];
const OWN = "own";

export function TimePart({ hours, onChange, fault }: {
  hours: unknown;
  onChange: (hours: unknown) => void;
  fault: string | undefined;
}) {
  const preset = TIMES.find(([, , value]) => value === hours)?.[0];
  const [isOwn, setOwn] = useState(preset === undefined);
  const shown = isOwn || preset === undefined ? OWN : preset;
  return (
    <Section title="Time">
      <Choices
        label="The best model that fits into"
        options={[...TIMES.map(([id, title]) => ({ id, title })), { id: OWN, title: "Own" }]}
        value={shown}
        onChange={(id) => {
          setOwn(id === OWN);
          if (id !== OWN) onChange(TIMES.find(([preset]) => preset === id)?.[2]);
        }}
      />
      {(shown === OWN || fault !== undefined) && (
        <ValueField id={fieldId(["experiment_timeout_hours"])} label="Hours" value={hours} onChange={onChange} fault={fault} hint="0.25 is a quarter of an hour" />
      )}
    </Section>
  );
}
