// What can be done with a run: cancel, resume, register, download, report, copy.
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { $api, addressOf, api, queries, type Schemas } from "../../api/client";
import { CopyView } from "../../components/CopyView";
import { Button, Dialog, TextField, type Kind } from "../../components/controls";
import controls from "../../components/controls.module.css";
import { isAtRest } from "../../components/Status";
import { textOf, useView } from "../../components/view";
import { useWork, WorkProgress } from "../../components/Work";
import { commandOf, pythonOf } from "./copies";
import { refetchRun } from "./useLiveRun";

type RunDetails = Schemas["RunDetails"];

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** The buttons of a run. */
export function RunActions({ run }: { run: RunDetails }) {
  const [view] = useView();
  const path = { run_id: run.id };
  const settings = $api.useQuery("get", "/api/v1/runs/{run_id}/settings", { params: { path } }, { staleTime: Infinity });
  const copies = { python: pythonOf(run, view), command: commandOf(run, view) };
  const job = settings.data?.job ?? settings.data?.specification;
  return (
    <>
      {!isAtRest(run.status) && <CancelButton runId={run.id} isCanceling={run.is_canceling} />}
      {run.has_model && <RegisterButton run={run} />}
      {run.has_model && (
        <a className={controls.button} href={addressOf(`runs/${encodeURIComponent(run.id)}/model.zip`)} download>
          Download model
        </a>
      )}
      {run.finished > 0 && <ReportButton runId={run.id} />}
      <CopyView copies={job === undefined ? copies : { ...copies, yaml: job }} />
    </>
  );
}

/** Asks before it ends a run. */
export function CancelButton({ runId, isCanceling, workspace }: { runId: string; isCanceling: boolean; workspace?: string }) {
  const [asks, setAsks] = useState(false);
  const cancel = useMutation({
    mutationFn: () => api.POST("/api/v1/runs/{run_id}/cancel", { params: { path: { run_id: runId }, query: workspaceQuery(workspace) } }),
    onSettled: refetchAll,
    onSuccess: () => setAsks(false),
  });
  return (
    <>
      <Button kind="danger" isDisabled={isCanceling} onPress={() => setAsks(true)}>
        {isCanceling ? "Canceling …" : "Cancel"}
      </Button>
      <Dialog title={`Cancel ${runId}?`} isOpen={asks} onClose={() => setAsks(false)}>
        <p>Trials that work now are ended. Trials with a result are kept, and the run can be resumed later.</p>
        {cancel.isError && <p role="alert">{message(cancel.error)}</p>}
        <div className="line">
          <Button kind="danger" isDisabled={cancel.isPending} onPress={() => cancel.mutate()}>
            Cancel the run
          </Button>
          <Button onPress={() => setAsks(false)}>Let it run</Button>
        </div>
      </Dialog>
    </>
  );
}

/** Goes on with a run. */
export function ResumeButton({ runId, kind = "primary" }: { runId: string; kind?: Kind }) {
  const resume = useMutation({
    mutationFn: () => api.POST("/api/v1/runs/{run_id}/resume", { params: { path: { run_id: runId } } }),
    onSettled: refetchAll,
  });
  return (
    <>
      <Button kind={kind} isDisabled={resume.isPending} onPress={() => resume.mutate()}>
        Resume
      </Button>
      {resume.isError && <span role="alert">{message(resume.error)}</span>}
    </>
  );
}

const workspaceQuery = (workspace: string | undefined) => (workspace === undefined ? {} : { workspace });

function refetchAll() {
  refetchRun();
  for (const path of ["/api/v1/runs", "/api/v1/activity", "/api/v1/experiments"])
    void queries.invalidateQueries({ queryKey: ["get", path] });
}

function RegisterButton({ run }: { run: RunDetails }) {
  const [isOpen, setOpen] = useState(false);
  const [name, setName] = useState(run.experiment.replaceAll(/[^\w.-]+/g, "-"));
  const register = useMutation({
    mutationFn: () => api.POST("/api/v1/models", { body: { run: run.id, name, tags: {} } }),
    onSuccess: () => void queries.invalidateQueries({ predicate: ({ queryKey }) => textOf(queryKey[1] as string).includes("/models") }),
  });
  const made = register.data?.data;
  const close = () => {
    setOpen(false);
    register.reset();
  };
  return (
    <>
      <Button onPress={() => setOpen(true)}>Register model</Button>
      <Dialog title="Register the model" isOpen={isOpen} onClose={close}>
        {made === undefined ? (
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault();
              register.mutate();
            }}
          >
            <p className="muted">It becomes the next version of the name, and the candidate for its champion.</p>
            <TextField label="Name" value={name} onChange={setName} autoFocus fault={register.isError ? message(register.error) : undefined} />
            <div className="line">
              <Button kind="primary" type="submit" isDisabled={name === "" || register.isPending}>
                {register.isPending ? "Registering …" : "Register"}
              </Button>
              <Button onPress={close}>Close</Button>
            </div>
          </form>
        ) : (
          <>
            <p>
              Registered as{" "}
              <Link to="/models/$name/$version" params={{ name: made.name, version: String(made.number) }}>
                {made.id}
              </Link>
            </p>
            <div className="line">
              <Button onPress={close}>Close</Button>
            </div>
          </>
        )}
      </Dialog>
    </>
  );
}

function ReportButton({ runId }: { runId: string }) {
  const [id, setId] = useState<string | null>(null);
  const work = useWork(id).data;
  const begin = useMutation({
    mutationFn: () => api.POST("/api/v1/runs/{run_id}/report", { params: { path: { run_id: runId } } }),
    onSuccess: ({ data }) => setId(data?.id ?? null),
  });
  if (work?.state === "done")
    return (
      <a className={controls.button} href={addressOf(`work/${work.id}/file`)} download="report.html">
        Download report.html
      </a>
    );
  const isWorking = begin.isPending || work?.state === "waiting" || work?.state === "running";
  return (
    <>
      {!isWorking && <Button onPress={() => begin.mutate()}>Report</Button>}
      {work !== undefined && <WorkProgress work={work} />}
      {begin.isError && <span role="alert">{message(begin.error)}</span>}
    </>
  );
}
