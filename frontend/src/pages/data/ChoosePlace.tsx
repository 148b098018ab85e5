import { useState } from "react";
import { $api } from "../../api/client";
import { Button, TextField } from "../../components/controls";
import { count } from "../../components/format";
import { Answer } from "../../components/states";
import styles from "./data.module.css";

/** A folder, archive or annotation file of the server, chosen by its path or by walking there. */
export function ChoosePlace({ onChoose }: { onChoose: (path: string) => void }) {
  const [path, setPath] = useState<string | null>(null);
  const [typed, setTyped] = useState<string | null>(null);
  const place = $api.useQuery("get", "/api/v1/places", { params: { query: path === null ? {} : { path } } });
  const shown = typed ?? place.data?.path ?? path ?? "";
  const go = (next: string) => {
    setTyped(null);
    setPath(next);
  };
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        onChoose(shown);
      }}
    >
      <div className={styles.path}>
        <TextField label="Path of a folder, an archive or an annotation file" value={shown} onChange={setTyped} />
        <Button kind="primary" type="submit" isDisabled={shown === ""}>
          Look at it
        </Button>
      </div>
      <Answer query={place}>
        {(found) => (
          <>
            <div className="line">
              <span className="muted small">go to</span>
              {found.roots.map((root) => (
                <Button key={root} kind="quiet" onPress={() => go(root)}>
                  {root}
                </Button>
              ))}
            </div>
            <ul className={styles.entries} aria-label={`what is in ${found.path}`}>
              {found.parent !== null && (
                <li>
                  <button type="button" onClick={() => go(found.parent ?? "")}>
                    ↑ {found.parent}
                  </button>
                </li>
              )}
              {found.entries.map((entry) => (
                <li key={entry.path}>
                  <button type="button" onClick={() => (entry.is_folder ? go(entry.path) : setTyped(entry.path))}>
                    {entry.name}
                    {entry.is_folder ? "/" : ""}
                    {entry.size !== null && <span className="muted small"> {bytes(entry.size)}</span>}
                  </button>
                </li>
              ))}
            </ul>
            {found.images > 0 && <p className="muted small">{count(found.images, "image")} in this folder itself</p>}
            {found.more > 0 && <p className="muted small">and {count(found.more, "further entry", "further entries")}, not listed</p>}
          </>
        )}
      </Answer>
    </form>
  );
}

/** A size in bytes, such as 3.4 MB. */
export function bytes(size: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let value = size;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
