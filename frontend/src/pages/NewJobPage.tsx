// A job: data, time, start; all else is folded until it is wanted. What is written is kept until it is started.
import { keepPreviousData, useMutation } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useState, type DragEvent } from "react";
import { $api, api, queries } from "../api/client";
import { Fold } from "../components/choices";
import { Button } from "../components/controls";
import { Page } from "../components/Page";
import { Answer } from "../components/states";
import { Advanced } from "./job/Advanced";
import { DataPart, type DataCheck } from "./job/DataPart";
import { faultAt, forgetDraft, START, typed, useDraft, withMappedSpace, withValue, type Fault, type JobForm, type Path, type Values } from "./job/draft";
import styles from "./job/job.module.css";
import { FromYaml, PlanPart, Texts } from "./job/PlanPart";
import { TimePart } from "./job/TimePart";

export default function NewJobPage() {
  const form = $api.useQuery("get", "/api/v1/jobs/form", {}, { staleTime: Infinity });
  return (
    <Page title="New job">
      <Answer query={form}>{(known) => <Job form={known} />}</Answer>
    </Page>
  );
}

function Job({ form }: { form: JobForm }) {
  const [values, change] = useDraft();
  const [found, setFound] = useState<DataCheck | null>(null);
  const [asked, setAsked] = useState(typed(values.task)); // the task for which the data is opened; empty: as it suggests
  const search = useSearch({ strict: false });
  const navigate = useNavigate();
  const data = typed(values.training_data);
  const set = useCallback((path: Path, value: unknown) => change((before) => withValue(before, path, value)), [change]);
  const show = useCallback(
    (shown: Record<string, string | undefined>) => void navigate({ to: "/new", search: (before) => ({ ...before, ...shown }), replace: true }),
    [navigate],
  );
  const choose = useCallback(
    (chosen: string) => {
      setFound(null);
      setAsked("");
      change((before) => withValue(withValue(before, ["training_data"], chosen === "" ? undefined : chosen), ["task"], undefined));
      show({ data: chosen === "" ? undefined : chosen });
    },
    [change, show],
  );
  const prefill = usePrefill(change, setAsked, choose, typed(search.data), data, typed(search.from), show);
  const onFound = useCallback(
    (one: DataCheck) => {
      setFound(one);
      change((before) => (before.task === undefined ? withValue(before, ["task"], one.task) : before));
    },
    [change],
  );
  const { check, isChecking, current } = useCheck(values, found);
  const faults: Fault[] = current ? (check?.problems ?? []).filter((fault) => data !== "" || !["training_data", "task"].includes(String(fault.path[0]))) : [];
  const start = useMutation({
    mutationFn: async (queue: boolean) => (await api.POST("/api/v1/jobs", { body: { values, queue } })).data,
    onSuccess: (started) => {
      if (started === undefined) return;
      forgetDraft();
      void queries.invalidateQueries();
      void navigate({ to: "/runs/$runId", params: { runId: started.run } });
    },
  });
  const isOpen = search.advanced === "1" || search.advanced === 1;
  const usable = found !== null && found.problem === null && values.task !== undefined;
  const drop = (event: DragEvent) => {
    const file = event.dataTransfer.files[0];
    if (file === undefined || !/\.ya?ml$/i.test(file.name)) return;
    event.preventDefault();
    void file.text().then((text) => prefill.read(text));
  };
  return (
    <div className={styles.page} onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <div className={styles.form}>
        <DataPart data={data} task={asked || undefined} onChoose={choose} onFound={onFound} fault={faultAt(faults, ["training_data"])} />
        <TimePart hours={values.experiment_timeout_hours} onChange={(hours) => set(["experiment_timeout_hours"], hours)} fault={faultAt(faults, ["experiment_timeout_hours"])} />
        <Fold title="Advanced" isOpen={isOpen} onToggle={(open) => show({ advanced: open ? "1" : undefined })} aside={<span className="muted small">{isOpen ? "" : "task, algorithms, search space, limits"}</span>}>
          <Advanced
            form={form}
            values={values}
            faults={faults}
            ranges={check?.ranges ?? []}
            tasks={found?.tasks ?? []}
            onChange={set}
            onTask={(task) => {
              setFound(null);
              setAsked(task);
              change((before) => ({ ...withValue(before, ["primary_metric"], undefined), task }));
            }}
          />
        </Fold>
        <FromYaml onRead={prefill.read} error={prefill.error} />
        <div>
          <Button
            kind="quiet"
            onPress={() => {
              choose("");
              change(() => START);
            }}
          >
            Begin anew
          </Button>
        </div>
      </div>
      <div className={styles.side}>
        <PlanPart check={current ? check : undefined} faults={faults} isChecking={isChecking} canStart={usable && current && faults.length === 0} isStarting={start.isPending || start.isSuccess} error={start.error} onStart={(queue) => start.mutate(queue)} />
        <Texts check={check} />
      </div>
    </div>
  );
}

/** The values as the server judges them, a moment after the last change. */
function useCheck(values: Values, found: DataCheck | null) {
  const [settled, setSettled] = useState(values);
  useEffect(() => {
    const timer = window.setTimeout(() => setSettled(values), 250);
    return () => window.clearTimeout(timer);
  }, [values]);
  const body = { values: settled, ...(found === null ? {} : { images: found.images }) };
  const check = $api.useQuery("post", "/api/v1/jobs/check", { body }, { placeholderData: keepPreviousData, refetchInterval: 30_000 });
  const isChecking = check.isFetching || settled !== values;
  return { check: check.data, isChecking, current: settled === values && !check.isPlaceholderData && check.data !== undefined };
}

/** Fills the form from the address, from an earlier run or from a job file. */
function usePrefill(
  change: (to: (values: Values) => Values) => void,
  ask: (task: string) => void,
  choose: (data: string) => void,
  wanted: string,
  data: string,
  from: string,
  show: (search: Record<string, string | undefined>) => void,
) {
  const take = useCallback(
    (values: Values) => {
      change(() => withMappedSpace(values));
      ask(typed(values.task));
      show({ data: typed(values.training_data) || undefined, from: undefined });
    },
    [change, ask, show],
  );
  const read = useMutation({
    mutationFn: async (text: string) => (await api.POST("/api/v1/jobs/read", { body: { text } })).data,
    onSuccess: (answer) => answer !== undefined && take(answer.values),
  });
  const job = $api.useQuery("get", "/api/v1/runs/{run_id}/job", { params: { path: { run_id: from } } }, { enabled: from !== "", staleTime: Infinity });
  const earlier = job.data?.values;
  useEffect(() => {
    if (earlier === undefined || from === "") return;
    take(wanted === "" ? earlier : { ...earlier, training_data: wanted });
  }, [earlier, from, take, wanted]);
  useEffect(() => {
    if (from === "" && wanted !== "" && wanted !== data) choose(wanted);
  }, []); // eslint-disable-line react-hooks/exhaustive-deps -- the address fills the form once, then follows it
  return { read: (text: string, done?: () => void) => read.mutate(text, done === undefined ? {} : { onSuccess: done }), error: read.error ?? job.error };
}
