// The edits that a version was made with, before and after; they can be taken back, which makes a version without them.
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { $api, api, type Schemas } from "../../api/client";
import { Button, Dialog } from "../../components/controls";
import { count, moment } from "../../components/format";
import { Section } from "../../components/Page";
import { Problem } from "../../components/states";
import { renew } from "../edits/api";
import { Sides } from "../edits/Sides";
import styles from "../edits/edits.module.css";

export function MadeWith({ name, number }: { name: string; number: number }) {
  const [limit, setLimit] = useState(12);
  const [asked, setAsked] = useState<Schemas["EditSummary"] | null>(null);
  const path = { name, number };
  const query = $api.useQuery(
    "get",
    "/api/v1/datasets/{name}/versions/{number}/edits/made",
    { params: { path, query: { limit } } },
    { placeholderData: (old) => old },
  );
  const found = query.data;
  if (found === undefined || found.parent === "") return null;
  const before = Number(found.parent.split(":")[1]);
  return (
    <Section title={`Made by edits of ${count(found.images.total, "image")} of ${found.parent}`}>
      <ul className={styles.list}>
        {found.images.items.map((image) => (
          <li key={image.row} className={styles.row}>
            <Sides place={{ workspace: "", name, number: before }} image={image} />
            <Said image={image} onBack={setAsked} />
          </li>
        ))}
      </ul>
      {found.images.next !== null && <Button onPress={() => setLimit(Math.min(500, limit + 48))}>Show more</Button>}
      {asked !== null && <TakeBack {...path} parent={found.parent} edit={asked} onClose={() => setAsked(null)} />}
    </Section>
  );
}

function Said({ image, onBack }: { image: Schemas["ImageEdits"]; onBack: (edit: Schemas["EditSummary"]) => void }) {
  return (
    <div className="stack">
      <p className="small muted">{image.image}</p>
      <ul className={styles.stand}>
        {image.edits.map((edit) => (
          <li key={edit.id}>
            <span className={styles.what}>
              <strong>{edit.what}</strong>
              <br />
              <span className="small">
                {edit.reason}{" "}
                <span className="muted">
                  · {edit.author}, {moment(edit.time)}, reviewed by {edit.reviewer}
                </span>
              </span>
            </span>
            <Button kind="quiet" onPress={() => onBack(edit)} aria-label={`Take back: ${edit.what}`}>
              Take back
            </Button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function TakeBack({ name, number, parent, edit, onClose }: {
  name: string;
  number: number;
  parent: string;
  edit: Schemas["EditSummary"];
  onClose: () => void;
}) {
  const navigate = useNavigate();
  const back = useMutation({
    mutationFn: async () => {
      const params = { path: { name, number } };
      const { data } = await api.POST("/api/v1/datasets/{name}/versions/{number}/edits/take-back", { params, body: { edits: [edit.id] } });
      return data;
    },
    onSuccess: (made) => {
      onClose();
      if (made !== undefined) void navigate({ to: "/data/$name/$version", params: { name: made.name, version: String(made.number) }, search: { tab: "changes" } });
    },
    onSettled: renew,
  });
  return (
    <Dialog title={`Take back: ${edit.what}`} isOpen onClose={onClose}>
      <p>
        This makes a version of {parent} with the other edits of {name}:{number}; without any it is {parent} itself. Both stay.
      </p>
      {back.error !== null && <Problem error={back.error} refused="This cannot be taken back" />}
      <div className="line">
        <Button kind="primary" onPress={() => back.mutate()} isDisabled={back.isPending}>
          Take it back
        </Button>
        <Button onPress={onClose}>Cancel</Button>
      </div>
    </Dialog>
  );
}
