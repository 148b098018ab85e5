// Models of runs that have no version yet, and the dialog that makes one.
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { $api, ApiError, queries, type Schemas } from "../../api/client";
import { Button, ButtonLink, Dialog, TextField } from "../../components/controls";
import { interval, metricName, moment } from "../../components/format";
import { Section } from "../../components/Page";
import { milliseconds } from "./figures";
import { Scrolls } from "../../components/Scrolls";
import styles from "./models.module.css";

type UnregisteredModel = Schemas["UnregisteredModel"];

export function Unregistered({ models, total }: { models: UnregisteredModel[]; total: number }) {
  const [chosen, choose] = useState<UnregisteredModel | null>(null);
  if (models.length === 0) return null;
  return (
    <Section title="Models of runs without a version">
      <p className="muted small">
        A run's model can be tried at once. A version gives it a name that programs can ask for, and a gate that says
        whether it may replace the one in use.
      </p>
      <Scrolls label="models of runs">
        <table>
          <thead>
            <tr>
              <th>Run</th>
              <th>Task</th>
              <th>Metric</th>
              <th className="number">Latency</th>
              <th>Ended</th>
              <th>
                <span className="hidden-text">What to do</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {models.map((model) => (
              <tr key={model.run}>
                <td className={styles.nowrap}>
                  <Link to="/runs/$runId" params={{ runId: model.run }}>
                    {model.run}
                  </Link>
                </td>
                <td className={styles.nowrap}>{model.task}</td>
                <td className={styles.nowrap}>
                  {interval(model.score)} <span className="muted">{metricName(model.metric ?? "")}</span>
                </td>
                <td className="number">{milliseconds(model.latency_ms)}</td>
                <td className={styles.nowrap}>{model.ended === null ? "–" : moment(model.ended)}</td>
                <td>
                  <span className="line" style={{ flexWrap: "nowrap" }}>
                    <Button onPress={() => choose(model)} aria-label={`Register ${model.run}`}>
                      Register
                    </Button>
                    <ButtonLink kind="quiet" to="/try" search={{ model: model.run }}>
                      Try
                    </ButtonLink>
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scrolls>
      {total > models.length && <p className="muted small">The newest {models.length} of {total} are shown.</p>}
      {chosen !== null && <RegisterDialog key={chosen.run} model={chosen} onClose={() => choose(null)} />}
    </Section>
  );
}

function RegisterDialog({ model, onClose }: { model: UnregisteredModel; onClose: () => void }) {
  const [name, setName] = useState(model.experiment);
  const navigate = useNavigate();
  const register = $api.useMutation("post", "/api/v1/models", {
    onSuccess: (version) => {
      void queries.invalidateQueries();
      void navigate({ to: "/models/$name/$version", params: { name: version.name, version: String(version.number) } });
    },
  });
  const fault = register.error instanceof ApiError ? register.error.message : undefined;
  return (
    <Dialog title={`Register the model of ${model.run}`} isOpen onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          register.mutate({ body: { run: model.run, name, tags: {} } });
        }}
      >
        <TextField
          label="Name"
          value={name}
          onChange={setName}
          hint="A name that exists gets a new version. Letters, digits, - _ and ., at most 60."
          fault={fault}
          autoFocus
        />
        <div className="line">
          <Button type="submit" kind="primary" isDisabled={register.isPending || name === ""}>
            Register
          </Button>
          <Button kind="quiet" onPress={onClose}>
            Cancel
          </Button>
          {register.isPending && <span className="muted">storing the files …</span>}
        </div>
      </form>
    </Dialog>
  );
}
