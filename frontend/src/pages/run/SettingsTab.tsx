// What a run was asked to do: the job that submits it again, and everything that it depends on.
import { $api } from "../../api/client";
import { CopyButton } from "../../components/CopyButton";
import { Section } from "../../components/Page";
import { Answer } from "../../components/states";
import styles from "./LogTab.module.css";

export function SettingsTab({ runId }: { runId: string }) {
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}/settings", { params: { path: { run_id: runId } } }, { staleTime: Infinity });
  return (
    <Answer query={query}>
      {(settings) => (
        <div className="stack">
          {settings.job !== null ? (
            <Yaml title="Job" text={settings.job} hint="Saved as job.yaml, it runs again with: automl-vision train job.yaml" />
          ) : (
            <p className="muted">There is no job file: {settings.job_problem}</p>
          )}
          <Yaml title="Specification" text={settings.specification} hint="Everything that the run depends on, all defaults filled in." />
        </div>
      )}
    </Answer>
  );
}

function Yaml({ title, text, hint }: { title: string; text: string; hint: string }) {
  return (
    <Section title={title} aside={<CopyButton text={text} title={`Copy ${title.toLowerCase()}`} />}>
      <p className="muted small">{hint}</p>
      <pre className={styles.log} tabIndex={0} aria-label={`${title} as YAML`}>{text}</pre>
    </Section>
  );
}
