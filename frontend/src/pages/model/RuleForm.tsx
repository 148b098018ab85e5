// The rule by which versions are judged: a form over its settings, kept as a YAML file that programs use too.
import { useState } from "react";
import { $api, ApiError, queries, type Schemas } from "../../api/client";
import { Button, Select, TextField } from "../../components/controls";
import { CopyButton } from "../../components/CopyButton";
import { metricName } from "../../components/format";
import { Answer, Problem } from "../../components/states";
import styles from "./model.module.css";

type RuleDetails = Schemas["RuleDetails"];
type Values = Record<string, string>;

const RULE = "/api/v1/models/{name}/rule";

export function Rule({ name }: { name: string }) {
  const rule = $api.useQuery("get", RULE, { params: { path: { name } } });
  return <Answer query={rule}>{(found) => <RuleForm key={found.yaml} name={name} found={found} />}</Answer>;
}

function RuleForm({ name, found }: { name: string; found: RuleDetails }) {
  const given = found.rule as unknown as Record<string, string | number | null | undefined>;
  const [values, setValues] = useState<Values>(() =>
    Object.fromEntries(found.settings.map((setting) => [setting.name, String(given[setting.name] ?? "")])),
  );
  const done = { onSuccess: () => queries.invalidateQueries() };
  const keep = $api.useMutation("put", RULE, done);
  const reset = $api.useMutation("delete", RULE, done);
  const problems = keep.error instanceof ApiError ? keep.error.problem.problems : [];
  const faultOf = (setting: string) => problems?.find((each) => each.path.at(-1) === setting)?.sentence;
  const save = () => {
    const body = Object.fromEntries(
      found.settings.map(({ name: setting, kind }) => [setting, valueOf(values[setting] ?? "", kind)]),
    );
    keep.mutate({ params: { path: { name } }, body });
  };
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <p className="muted small">
        {found.is_default ? "These are the defaults. " : ""}An empty setting is not asked. The rule is kept in {found.file};{" "}
        <code>automl-vision models promote</code> judges by it too.
      </p>
      {found.problem !== null && <Problem error={new Error(found.problem)} />}
      <div className={styles.form}>
        {found.settings.map((setting) =>
          setting.kind === "choice" ? (
            <Select
              key={setting.name}
              label={metricName(setting.name)}
              hint={setting.description}
              options={setting.choices.map((id) => ({ id, title: metricName(id) }))}
              value={values[setting.name] ?? null}
              onChange={(value) => setValues({ ...values, [setting.name]: value })}
            />
          ) : (
            <TextField
              key={setting.name}
              label={metricName(setting.name)}
              hint={setting.description}
              value={values[setting.name] ?? ""}
              onChange={(value) => setValues({ ...values, [setting.name]: value })}
              fault={faultOf(setting.name)}
              {...(setting.kind === "number" ? { inputMode: "decimal" as const } : {})}
            />
          ),
        )}
      </div>
      {keep.error !== null && problems?.length === 0 && <Problem error={keep.error} />}
      <div className="line">
        <Button type="submit" kind="primary" isDisabled={keep.isPending}>
          Keep this rule
        </Button>
        {!found.is_default && (
          <Button onPress={() => reset.mutate({ params: { path: { name } } })}>Go back to the defaults</Button>
        )}
        <CopyButton text={found.yaml} title="Copy as YAML" />
        {keep.isSuccess && <span role="status">Kept. Comparisons that were made before are outdated.</span>}
      </div>
    </form>
  );
}

/** What a field holds: a number where it is one, nothing where it is empty; what is neither is left to the server. */
function valueOf(text: string, kind: string): string | number | null {
  const plain = text.trim();
  if (plain === "") return null;
  const number = Number(plain.replace(",", "."));
  return kind === "number" && Number.isFinite(number) ? number : plain;
}
