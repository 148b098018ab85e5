import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, queries, type Schemas } from "../../api/client";
import { Button, TextField } from "../../components/controls";
import { count } from "../../components/format";
import { Problem } from "../../components/states";
import { LeftOut } from "../version/LeftOut";
import { Tile } from "../version/Tile";
import { useImages } from "../version/images";
import versionStyles from "../version/version.module.css";

/** What is in new data, its first pictures, and the form that gives it a name. */
export function QuickCheck({ found, onAgain }: { found: Schemas["QuickCheck"]; onAgain: () => void }) {
  const [name, setName] = useState(found.suggested_name);
  const navigate = useNavigate();
  const register = useMutation({
    mutationFn: async () => (await api.POST("/api/v1/datasets", { body: { source: found.name, name, description: "", split_ratio: 0.2 } })).data,
    onSuccess: (made) => {
      void queries.invalidateQueries();
      if (made) void navigate({ to: "/data/$name/$version", params: { name: made.name, version: String(made.number) } });
    },
  });
  const images = useImages(found.name, 0, {});
  const classes = Object.entries(found.classes);
  const leftOut = Object.values(found.left_out).reduce((sum, one) => sum + one, 0);
  return (
    <div className="stack">
      <p>
        <strong>{found.task.replace("image-", "").replaceAll("-", " ")}</strong>, read as <code>{found.format}</code>:{" "}
        {count(found.images, "image")} ({Object.entries(found.splits).map(([split, n]) => `${n.toLocaleString("en-US")} ${split}`).join(", ")}) of{" "}
        {count(classes.length, "class", "classes")}
        {classes.length > 0 && `: ${classes.slice(0, 12).map(([label, n]) => `${label} ${n.toLocaleString("en-US")}`).join(", ")}`}
        {classes.length > 12 && ", ..."}
      </p>
      <ul className={versionStyles.strip} aria-label="first pictures">
        {Array.from({ length: Math.min(8, found.images) }, (_, i) => (
          <li key={i}>
            <Tile name={found.name} number={0} image={images.at(i)} />
          </li>
        ))}
      </ul>
      <details open={leftOut > 0}>
        <summary>
          {leftOut === 0 ? `all ${count(found.records, "record")} can be used` : `${leftOut.toLocaleString("en-US")} of ${count(found.records, "record")} cannot be used`}
        </summary>
        {leftOut > 0 && <LeftOut name={found.name} number={0} />}
      </details>
      {found.problem !== null && (
        <p role="alert">
          It cannot be registered as it is: {found.problem}
        </p>
      )}
      {found.registered_as !== null && (
        <p>
          The same contents are registered already as{" "}
          <Link to="/data/$name/$version" params={{ name: found.registered_as.split(":")[0] ?? "", version: found.registered_as.split(":")[1] ?? "1" }}>
            {found.registered_as}
          </Link>
          .
        </p>
      )}
      <form
        className="line"
        style={{ alignItems: "end" }}
        onSubmit={(event) => {
          event.preventDefault();
          register.mutate();
        }}
      >
        <TextField label="Name" value={name} onChange={setName} maxLength={60} isRequired />
        <Button kind="primary" type="submit" isDisabled={register.isPending || found.problem !== null}>
          Register
        </Button>
        <Button kind="quiet" onPress={onAgain}>
          Choose something else
        </Button>
      </form>
      {register.error !== null && <Problem error={register.error} />}
    </div>
  );
}
