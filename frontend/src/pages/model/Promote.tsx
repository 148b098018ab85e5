// Moves of the alias: each asks for its reason, and is logged with it.
import { useState } from "react";
import { $api, queries, type Schemas } from "../../api/client";
import { Button, Dialog, TextField } from "../../components/controls";
import { Problem } from "../../components/states";

type GateState = Schemas["GateState"];

const refresh = () => queries.invalidateQueries();

export function PromoteButton({ name, version, state, disabled }: {
  name: string;
  version: string;
  state: GateState;
  disabled: boolean;
}) {
  const [open, setOpen] = useState(false);
  const judged = state.gate !== null && state.outdated === null;
  const allowed = judged && state.gate?.answer === "yes";
  return (
    <>
      <Button kind={allowed ? "primary" : "plain"} isDisabled={disabled || !judged} onPress={() => setOpen(true)}>
        {allowed || !judged ? "Promote" : "Promote against the rule"}
      </Button>
      {open && (
        <PromoteDialog name={name} version={version} state={state} allowed={allowed} onClose={() => setOpen(false)} />
      )}
    </>
  );
}

function PromoteDialog({ name, version, state, allowed, onClose }: {
  name: string;
  version: string;
  state: GateState;
  allowed: boolean;
  onClose: () => void;
}) {
  const [why, setWhy] = useState("");
  const promote = $api.useMutation("post", "/api/v1/models/{name}/versions/{version}/promote", {
    onSuccess: async () => {
      await refresh();
      onClose();
    },
  });
  const replaced = state.current === null ? "" : ` instead of ${state.current}`;
  return (
    <Dialog title={`Make ${name}:${version} the ${state.alias}${replaced}`} isOpen onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          promote.mutate({
            params: { path: { name, version } },
            body: { alias: state.alias, why, force: !allowed },
          });
        }}
      >
        {!allowed && <p>The rule does not allow it: {state.gate?.sentence} The log will say that it was forced.</p>}
        <TextField label="Why" value={why} onChange={setWhy} maxLength={1000} hint="Kept in the log with your name." autoFocus />
        {promote.error !== null && <Problem error={promote.error} />}
        <div className="line">
          <Button type="submit" kind={allowed ? "primary" : "danger"} isDisabled={promote.isPending || why.trim() === ""}>
            {allowed ? `Make it the ${state.alias}` : `Make it the ${state.alias} against the rule`}
          </Button>
          <Button kind="quiet" onPress={onClose}>
            Cancel
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

export function RollBackButton({ name, alias, current }: { name: string; alias: string; current: string | null }) {
  const [open, setOpen] = useState(false);
  const [why, setWhy] = useState("");
  const back = $api.useMutation("post", "/api/v1/models/{name}/rollback", {
    onSuccess: async () => {
      await refresh();
      setOpen(false);
    },
  });
  return (
    <>
      <Button onPress={() => setOpen(true)}>Roll back</Button>
      <Dialog title={`Roll ${alias} back`} isOpen={open} onClose={() => setOpen(false)}>
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            back.mutate({ params: { path: { name } }, body: { alias, why } });
          }}
        >
          <p>The version that was the {alias} before {current} becomes it again.</p>
          <TextField label="Why (may be empty)" value={why} onChange={setWhy} maxLength={1000} />
          {back.error !== null && <Problem error={back.error} />}
          <div className="line">
            <Button type="submit" kind="primary" isDisabled={back.isPending} autoFocus>
              Roll back now
            </Button>
            <Button kind="quiet" onPress={() => setOpen(false)}>
              Cancel
            </Button>
          </div>
        </form>
      </Dialog>
    </>
  );
}
