// Is it safe to replace the champion? The rule sentence by sentence, and what was measured of both.
import { useEffect, useRef, useState } from "react";
import { $api, queries, type Schemas } from "../../api/client";
import { Button, Select, Tag, type Tone } from "../../components/controls";
import { count, moment, splitName } from "../../components/format";
import { Section } from "../../components/Page";
import { Answer, Problem, Skeleton } from "../../components/states";
import { useWork, WorkProgress, hasEnded } from "../../components/Work";
import { GateFigures } from "./GateFigures";
import styles from "./model.module.css";
import { PromoteButton, RollBackButton } from "./Promote";

type GateState = Schemas["GateState"];
export type Gate = Schemas["Gate"];

const AT_ONCE = 2000; // so many test images are compared without being asked
const ANSWERS: Record<Gate["answer"], { tone: Tone; word: string }> = {
  yes: { tone: "good", word: "Yes" },
  no: { tone: "error", word: "No" },
  undecided: { tone: "warning", word: "Not enough images" },
};
const OUTCOMES: Record<string, { tone: Tone; word: string }> = {
  passed: { tone: "good", word: "passed" },
  failed: { tone: "error", word: "failed" },
  undecided: { tone: "warning", word: "not enough images" },
};

const GATE = "/api/v1/models/{name}/versions/{version}/gate";

export function GateSection({ name, version, usable }: { name: string; version: string; usable: boolean }) {
  const state = $api.useQuery("get", GATE, { params: { path: { name, version } } });
  return (
    <Answer query={state} loading={<Skeleton heights={[240]} />}>
      {(found) =>
        found.is_current ? (
          <InUse name={name} state={found} />
        ) : (
          <Challenge name={name} version={version} state={found} usable={usable} />
        )
      }
    </Answer>
  );
}

function InUse({ name, state }: { name: string; state: GateState }) {
  return (
    <Section
      title="In use"
      aside={state.can_roll_back && <RollBackButton name={name} alias={state.alias} current={state.current} />}
    >
      <p>
        {state.current} is the {state.alias}.{" "}
        {state.can_roll_back
          ? "Rolling back makes the version before it the champion again."
          : "No other version was the champion before."}
      </p>
      {state.gate !== null && (
        <details>
          <summary>How it was judged, {moment(state.gate.made)}</summary>
          <div className="stack">
            <Judged gate={state.gate} />
          </div>
        </details>
      )}
    </Section>
  );
}

function Challenge({ name, version, state, usable }: {
  name: string;
  version: string;
  state: GateState;
  usable: boolean;
}) {
  const start = $api.useMutation("post", GATE, { onSettled: () => queries.invalidateQueries({ queryKey: ["get", GATE] }) });
  const work = useWork(state.work?.id).data ?? state.work;
  const runs = work !== null && !hasEnded(work);
  const [data, setData] = useState<string | null>(null);
  const begin = () => start.mutate({ params: { path: { name, version } }, body: { alias: state.alias, data } });
  useRefresh(work?.state, () => void queries.invalidateQueries({ queryKey: ["get", GATE] }));
  const asked = useRef(false);
  const isNew = state.gate === null && work === null && state.images !== null && state.images <= AT_ONCE && usable;
  useEffect(() => {
    if (!isNew || asked.current) return;
    asked.current = true;
    begin();
  });
  const against = state.current ?? "no version in use";
  return (
    <Section
      title={state.current === null || state.current === undefined ? "May it be the champion?" : `May it replace ${state.current}?`}
      aside={
        <PromoteButton name={name} version={version} state={state} disabled={runs || !usable} />
      }
    >
      {start.error !== null && <Problem error={start.error} onRetry={begin} />}
      {runs && work !== null && <WorkProgress work={work} />}
      {work?.state === "failed" && state.gate === null && <WorkProgress work={work} />}
      {state.gate !== null && <Judged gate={state.gate} outdated={state.outdated} />}
      {!runs && usable && (
        <div className="line">
          {(state.images === null || state.gate !== null) && <DataChoice data={data} onChange={setData} state={state} />}
          <Button onPress={begin} isDisabled={start.isPending || (state.images === null && data === null)}>
            {state.gate === null ? `Compare with ${against}` : "Compare again"}
          </Button>
          {state.gate === null && state.images !== null && (
            <span className="muted small">on {count(state.images, "test image")}</span>
          )}
        </div>
      )}
    </Section>
  );
}

/** Ask again once work has ended. */
function useRefresh(state: string | undefined, refresh: () => void) {
  const before = useRef(state);
  useEffect(() => {
    const was = before.current;
    before.current = state;
    if (was !== undefined && was !== state && (state === "done" || state === "failed" || state === "canceled")) refresh();
  });
}

const OWN = "own";

function DataChoice({ data, onChange, state }: {
  data: string | null;
  onChange: (data: string | null) => void;
  state: GateState;
}) {
  const sets = $api.useQuery("get", "/api/v1/labelled-data");
  const own = state.images === null ? [] : [{ id: OWN, title: `the ${count(state.images, "test image")} of its run` }];
  const options = [...own, ...(sets.data ?? []).map((id) => ({ id, title: id }))];
  return (
    <div className="stack">
      {state.no_images !== null && <p className="muted">{state.no_images}.</p>}
      {options.length > 0 ? (
        <Select
          label="On which images"
          options={options}
          value={data ?? (own.length > 0 ? OWN : null)}
          onChange={(id) => onChange(id === OWN ? null : id)}
        />
      ) : (
        <p className="muted">Register labelled images that neither version was trained on, then compare on these.</p>
      )}
    </div>
  );
}

function Judged({ gate, outdated = null }: { gate: Gate; outdated?: string | null }) {
  const answer = ANSWERS[gate.answer];
  return (
    <>
      {outdated !== null && (
        <p role="status">
          <Tag tone="warning">outdated</Tag> {outdated}. Compare again before anything moves.
        </p>
      )}
      <p className={styles.verdict} role="status">
        <Tag tone={answer.tone}>{answer.word}</Tag>
        <span>{gate.sentence}</span>
      </p>
      <ul className={styles.sentences} aria-label="the rule">
        {gate.sentences.map((each) => (
          <li key={each.setting} className={styles.sentence}>
            <span>
              <Tag tone={OUTCOMES[each.outcome]?.tone ?? "plain"}>{OUTCOMES[each.outcome]?.word}</Tag>
            </span>
            <span>
              {each.text}
              {each.more_images !== null && (
                <span className="muted">. About {count(each.more_images, "more image")} like these would decide it.</span>
              )}
            </span>
          </li>
        ))}
      </ul>
      <GateFigures gate={gate} />
      <p className="muted small">
        Measured {moment(gate.made)} on {count(gate.images, `${splitName(gate.split)} image`)}: {gate.data}.
      </p>
    </>
  );
}
