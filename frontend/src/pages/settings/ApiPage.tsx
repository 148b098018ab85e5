// The API as a list with examples, drawn from its own description; no script from elsewhere is needed.
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { ROOT } from "../../api/client";
import { Fold } from "../../components/choices";
import { CopyButton } from "../../components/CopyButton";
import { TextField } from "../../components/controls";
import { count } from "../../components/format";
import { Page, Section } from "../../components/Page";
import { Answer } from "../../components/states";
import { operations, type ApiDescription, type Operation } from "./openapi";
import styles from "./settings.module.css";

export default function ApiPage() {
  const description = useQuery({
    queryKey: ["openapi"],
    queryFn: async () => (await (await fetch(`${ROOT}api/v1/openapi.json`)).json()) as ApiDescription,
    staleTime: Infinity,
  });
  return (
    <Page title="API" trail={<Link to="/settings">Settings</Link>} actions={<a href={`${ROOT}api/v1/openapi.json`}>openapi.json</a>}>
      <p>Everything that the studio shows and does, a program can have too. Requests that change something carry the header X-Studio.</p>
      <Answer query={description}>{(api) => <Operations all={operations(api, window.location.origin)} />}</Answer>
    </Page>
  );
}

function Operations({ all }: { all: Operation[] }) {
  const search = useSearch({ strict: false });
  const navigate = useNavigate();
  const words = typeof search.find === "string" ? search.find : "";
  const show = (changed: Record<string, string | undefined>) => void navigate({ to: "/api/v1/docs", search: (before) => ({ ...before, ...changed }), replace: true });
  const found = all.filter((one) => `${one.id} ${one.sentence}`.toLowerCase().includes(words.toLowerCase()));
  const tags = [...new Set(found.map((one) => one.tag))];
  return (
    <>
      <div className={styles.find}>
        <TextField label="Find" value={words} onChange={(text) => show({ find: text === "" ? undefined : text })} hint={count(found.length, "operation")} />
      </div>
      {tags.map((tag) => (
        <Section key={tag} title={tag || "other"}>
          {found
            .filter((one) => one.tag === tag)
            .map((one) => (
              <Fold key={one.id} title={`${one.method.toUpperCase()} ${one.path}`} isOpen={search.open === one.id} onToggle={(open) => show({ open: open ? one.id : undefined })} aside={<span className="muted small">{one.sentence.split("\n")[0]}</span>}>
                <Details operation={one} />
              </Fold>
            ))}
        </Section>
      ))}
    </>
  );
}

function Details({ operation }: { operation: Operation }) {
  return (
    <>
      <p>{operation.sentence}</p>
      <div className="line">
        <code className={styles.command}>{operation.curl}</code>
        <CopyButton text={operation.curl} />
      </div>
      {operation.parameters.length > 0 && (
        <ul className={styles.parameters}>
          {operation.parameters.map((one) => (
            <li key={`${one.in} ${one.name}`}>
              <code>{one.name}</code> <span className="muted">{one.in}{one.required === true ? "" : ", optional"}{one.description === undefined ? "" : `: ${one.description}`}</span>
            </li>
          ))}
        </ul>
      )}
      {operation.body !== undefined && <Example title="Sent" value={operation.body} />}
      {operation.answer !== undefined && <Example title="Answer" value={operation.answer} />}
    </>
  );
}

function Example({ title, value }: { title: string; value: unknown }) {
  return (
    <div className="stack">
      <h3>{title}, for example</h3>
      <pre className={styles.example}>{JSON.stringify(value, null, 2)}</pre>
    </div>
  );
}
