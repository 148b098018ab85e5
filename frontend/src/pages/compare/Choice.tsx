// Which two trials are compared: of the run, or of another one on the same images.
import { $api } from "../../api/client";
import { Button, Select } from "../../components/controls";
import { interval } from "../../components/format";
import type { Search } from "../../router";
import type { Compared } from "./address";
import styles from "./compare.module.css";

/** Two choices; `asked` is the trial that one comes from, which is compared with the best other one. */
export function Choice({ runId, compared, asked, onChoose }: {
  runId: string;
  compared: Compared | null;
  asked: string | undefined;
  onChoose: (changes: Search) => void;
}) {
  const query = $api.useQuery("get", "/api/v1/runs/{run_id}", { params: { path: { run_id: runId } } });
  const rows = (query.data?.rows ?? []).filter((row) => row.score !== null);
  const options = rows.map((row) => ({ id: `${runId}:${row.trial}`, title: `Trial ${row.trial} ${row.model_name}, ${interval(row.score)}` }));
  const named = (one: Compared["first"] | undefined) => (one === undefined ? null : `${one.run}:${one.trial}`);
  const from = options.find((option) => option.id === `${runId}:${asked ?? ""}`)?.id;
  const first = named(compared?.first) ?? options.find((option) => option.id !== from)?.id ?? null;
  const second = named(compared?.second) ?? from ?? options.find((option) => option.id !== first)?.id ?? null;
  const known = (id: string | null) => (id !== null && options.every((option) => option.id !== id) ? [...options, { id, title: id }] : options);
  const set = (one: string | null, two: string | null) => {
    if (one === null || two === null) return;
    const short = (id: string) => (id.startsWith(`${runId}:`) ? id.slice(runId.length + 1) : id);
    onChoose({ trials: `${short(one)},${short(two)}`, row: undefined, right: undefined, first: undefined });
  };
  return (
    <div className={styles.choice}>
      <div>
        <Select label="First" options={known(first)} value={first} onChange={(id) => set(id, second)} />
      </div>
      <div>
        <Select label="Second" options={known(second)} value={second} onChange={(id) => set(first, id)} />
      </div>
      <Button onPress={() => set(second, first)} aria-label="swap the two trials">
        Swap
      </Button>
      {compared === null && (
        <Button kind="primary" isDisabled={first === null || second === null} onPress={() => set(first, second)}>
          Compare
        </Button>
      )}
    </div>
  );
}
