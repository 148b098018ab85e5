// The hyperparameters of the trial: first what was chosen for it, then the defaults.
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { Button, Tag } from "../../components/controls";
import { Section } from "../../components/Page";
import styles from "./trial.module.css";
import { Scrolls } from "../../components/Scrolls";

type Setting = Schemas["TrialSetting"];

export function Settings({ trial }: { trial: Schemas["TrialDetails"] }) {
  const [all, setAll] = useState(false);
  const chosen = trial.settings.filter((setting) => setting.is_sampled || !setting.is_default);
  const rest = trial.settings.filter((setting) => !setting.is_sampled && setting.is_default);
  return (
    <Section title={`Settings of ${trial.model_name}`}>
      {trial.role !== "" && <p className="muted">{trial.role}</p>}
      {chosen.length === 0 ? <p>All settings are the algorithm's defaults.</p> : <Table settings={chosen} />}
      {rest.length > 0 && (
        <>
          <Button onPress={() => setAll(!all)} aria-expanded={all}>
            {all ? "Hide" : "Show"} {rest.length} defaults
          </Button>
          {all && <Table settings={rest} />}
        </>
      )}
    </Section>
  );
}

function Table({ settings }: { settings: Setting[] }) {
  return (
    <Scrolls label="settings">
      <table>
        <thead>
          <tr>
            <th>Setting</th>
            <th>Value</th>
            <th>Default</th>
            <th>Meaning</th>
          </tr>
        </thead>
        <tbody>
          {settings.map((setting) => (
            <tr key={setting.name}>
              <td>
                <code>{setting.name}</code> {setting.is_sampled && <Tag>sampled</Tag>}
              </td>
              <td className="numbers">{settingText(setting.value)}</td>
              <td className="numbers muted">{settingText(setting.default)}</td>
              <td className={styles.wide}>{setting.meaning}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scrolls>
  );
}

function settingText(value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(4)));
  return typeof value === "string" ? value : JSON.stringify(value);
}
