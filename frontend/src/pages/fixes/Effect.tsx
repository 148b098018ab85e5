// The effect of the basket on a linear probe, as a paired difference with its interval.
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { $api, api, type Schemas } from "../../api/client";
import { axisOf, IntervalDot } from "../../charts/IntervalDot";
import { Button } from "../../components/controls";
import { count, figure, interval } from "../../components/format";
import { Hotkeys } from "../../components/Hotkeys";
import { Scrolls } from "../../components/Scrolls";
import { Problem } from "../../components/states";
import { hasEnded, useWork, WorkProgress } from "../../components/Work";
import { textOf, type Choice } from "./basket";

export function Effect({ name, number, choices }: { name: string; number: number; choices: Choice[] }) {
  const [asked, setAsked] = useState<{ id: string; basket: string } | null>(null);
  const basket = textOf(choices);
  const start = useMutation({
    mutationFn: async () => {
      const { data } = await api.POST("/api/v1/datasets/{name}/versions/{number}/fixes/effect", {
        params: { path: { name, number } },
        body: { choices },
      });
      return data === undefined ? null : { id: data.id, basket };
    },
    onSuccess: setAsked,
  });
  const work = useWork(asked?.id);
  const isDone = work.data?.state === "done";
  const effect = $api.useQuery(
    "get",
    "/api/v1/datasets/{name}/versions/{number}/fixes/effects/{work_id}",
    { params: { path: { name, number, work_id: asked?.id ?? "" } } },
    { enabled: isDone, staleTime: Infinity },
  );
  const isOld = asked !== null && asked.basket !== basket;
  const isBusy = start.isPending || (work.data !== undefined && !hasEnded(work.data));
  const hotkeys = [{ keys: ["w"], title: "What would it bring?", run: () => void (isBusy || start.mutate()) }];
  return (
    <div className="stack">
      <div className="line">
        <Button onPress={() => start.mutate()} isDisabled={isBusy} aria-keyshortcuts="W">
          {effect.data === undefined ? "What would it bring?" : isOld ? "Compute again for this basket" : "Compute again"}
        </Button>
        <Hotkeys hotkeys={hotkeys} />
        <span className="muted small">
          A linear probe on features of a pretrained network, with and without the changes, on the same validation images.
          Seconds where the features are known.
        </span>
      </div>
      {start.error !== null && <Problem error={start.error} />}
      {work.data !== undefined && <WorkProgress work={work.data} />}
      {effect.data !== undefined && <Shown effect={effect.data} isOld={isOld} />}
    </div>
  );
}

function Shown({ effect, isOld }: { effect: Schemas["FixEffect"]; isOld: boolean }) {
  const axis = axisOf([effect.before, effect.after]);
  return (
    <div className="stack" style={{ opacity: isOld ? 0.6 : 1 }} aria-live="polite">
      {isOld && <p className="small">This is the effect of the basket as it was before the last change.</p>}
      <p>
        <strong>{effect.sentence}</strong>
      </p>
      <Scrolls label="the probe with and without the changes">
        <table style={{ maxWidth: 680 }}>
          <thead>
            <tr>
              <th>Probe trained on</th>
              <th className="number">Training images</th>
              <th colSpan={2}>{effect.metric} of {count(effect.images, "validation image")}</th>
            </tr>
          </thead>
          <tbody>
            <tr>
              <td>this version</td>
              <td className="number">{effect.training.before.toLocaleString("en-US")}</td>
              <td className="numbers">{interval(effect.before)}</td>
              <td>
                <IntervalDot found={effect.before} axis={axis} />
              </td>
            </tr>
            <tr>
              <td>the changed one</td>
              <td className="number">{effect.training.after.toLocaleString("en-US")}</td>
              <td className="numbers">{interval(effect.after)}</td>
              <td>
                <IntervalDot found={effect.after} axis={axis} emphasis="best" reference={effect.before.value} />
              </td>
            </tr>
          </tbody>
        </table>
      </Scrolls>
      <ul className="small muted" style={{ paddingLeft: "1.2em" }}>
        <li>{count(effect.relabelled, "training image")} with other labels. Test: {effect.test}.</li>
        {effect.changed !== null && (
          <li>
            {count(effect.changed.images, "validation image")} whose labels change {effect.changed.images === 1 ? "is" : "are"} not
            counted above, or the changes would flatter themselves: there the probes reach {figure(effect.changed.old_labels.before)} and{" "}
            {figure(effect.changed.old_labels.after)} by the old labels, {figure(effect.changed.new_labels.before)} and{" "}
            {figure(effect.changed.new_labels.after)} by the new ones.
          </li>
        )}
        {effect.only_in_one > 0 && <li>{count(effect.only_in_one, "validation image")} that only one of the two has, not counted either.</li>}
        {effect.labels_objects && <li>Boxes and masks count only by the classes that occur in an image.</li>}
        {effect.is_subset && <li>Of the training images 20,000 were used, the same ones in both.</li>}
        <li>It is the probe's effect: a network that is trained further may gain more or less.</li>
      </ul>
    </div>
  );
}
