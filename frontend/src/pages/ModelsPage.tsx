// What is in use? Every registered model with its versions, and the models of runs that have no version yet.
import { useState } from "react";
import { $api, type Schemas } from "../api/client";
import { Button, ButtonLink } from "../components/controls";
import { count } from "../components/format";
import { Page, Section } from "../components/Page";
import { Answer, Empty, Skeleton } from "../components/states";
import { Unregistered } from "./models/Unregistered";
import { VersionTable } from "./models/Versions";

type RegisteredModel = Schemas["RegisteredModel"];

export default function ModelsPage() {
  const models = $api.useQuery("get", "/api/v1/models", { params: { query: { limit: 100 } } });
  const waiting = $api.useQuery("get", "/api/v1/unregistered-models");
  const nothing = models.data?.total === 0 && waiting.data?.total === 0;
  return (
    <Page
      title="Models"
      actions={<ButtonLink to="/try">Try a photo</ButtonLink>}
      summary={models.data !== undefined && models.data.total > 0 && <Summary models={models.data.items} />}
    >
      {nothing ? (
        <Empty
          title="No models yet"
          action={
            <ButtonLink to="/new" kind="primary">
              Train on your images
            </ButtonLink>
          }
          command="automl-vision train --training-data FOLDER"
        >
          A run ends with a packaged model. Registered under a name it gets versions, of which one is in use.
        </Empty>
      ) : (
        <>
          <Answer query={models} loading={<Loading />}>
            {(page) => (
              <>
                {page.items.map((model) => (
                  <Model key={model.name} model={model} />
                ))}
                {page.total === 0 && <p className="muted">No model is registered yet.</p>}
                {page.total > page.items.length && (
                  <p className="muted">The first {page.items.length} of {page.total} names are shown.</p>
                )}
              </>
            )}
          </Answer>
          {waiting.data !== undefined && <Unregistered models={waiting.data.items} total={waiting.data.total} />}
        </>
      )}
    </Page>
  );
}

function Summary({ models }: { models: RegisteredModel[] }) {
  const used = models.filter((model) => model.champion !== null);
  return (
    <p className="muted">
      {count(models.length, "model")}; in use: {used.map((model) => model.champion?.id).join(", ") || "none"}.
    </p>
  );
}

function Loading() {
  return (
    <div className="stack">
      <p className="muted small">The registry is being opened, which takes some seconds the first time.</p>
      <Skeleton heights={[160, 160]} />
    </div>
  );
}

function Model({ model }: { model: RegisteredModel }) {
  const [all, showAll] = useState(false);
  const more = $api.useQuery(
    "get",
    "/api/v1/models/{name}/versions",
    { params: { path: { name: model.name }, query: { limit: 500 } } },
    { enabled: all },
  );
  const newest = model.champion === null ? model.versions[0] : undefined;
  return (
    <Section
      title={model.name}
      aside={
        <ButtonLink kind="quiet" to="/try" search={{ model: model.champion?.id ?? model.versions[0]?.id }}>
          Try it
        </ButtonLink>
      }
    >
      {newest !== undefined && (
        <p className="muted small">No version is in use. Open {newest.id} to see whether it may be the champion.</p>
      )}
      <VersionTable name={model.name} versions={more.data?.items ?? model.versions} />
      {model.total > model.versions.length && !all && (
        <div>
          <Button kind="quiet" onPress={() => showAll(true)}>
            Show all {model.total} versions
          </Button>
        </div>
      )}
    </Section>
  );
}
