import { Link } from "@tanstack/react-router";
import { type Schemas } from "../../api/client";
import { Button } from "../../components/controls";
import { count } from "../../components/format";
import { LeftOut } from "../version/LeftOut";
import { Tile } from "../version/Tile";
import { useImages } from "../version/images";
import { ReadOtherwise, type Reading } from "./ReadOtherwise";
import { RegisterForm } from "./RegisterForm";
import versionStyles from "../version/version.module.css";

/** What is in new data, its first pictures, and the form that gives it a name. */
export function QuickCheck({ found, reading, onRead, onAgain }: {
  found: Schemas["QuickCheck"];
  reading: Reading;
  onRead: (reading: Reading) => void;
  onAgain: () => void;
}) {
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
      <ReadOtherwise found={found} reading={reading} onRead={onRead} />
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
      <RegisterForm source={found.name} suggested={found.suggested_name} isDisabled={found.problem !== null}>
        <Button kind="quiet" onPress={onAgain}>
          Choose something else
        </Button>
      </RegisterForm>
    </div>
  );
}
