// Cases of a finding as pictures: what is odd about each, for copies both images, in a basket with a tick each.
import { Link } from "@tanstack/react-router";
import { $api, type Schemas } from "../../api/client";
import { count } from "../../components/format";
import { Answer, Skeleton } from "../../components/states";
import { Tile } from "./Tile";
import styles from "./version.module.css";

export interface Ticks {
  isTaken: (position: number) => boolean;
  onTake: (position: number, take: boolean) => void;
}

export function Cases({ name, number, finding, most, ticks, after }: {
  name: string;
  number: number;
  finding: Schemas["FindingSummary"];
  most: number;
  ticks?: Ticks;
  after?: (found: Schemas["FindingCase"]) => string;
}) {
  const query = $api.useQuery("get", "/api/v1/datasets/{name}/versions/{number}/report/{check}/cases", {
    params: { path: { name, number, check: finding.check }, query: { limit: most } },
  });
  return (
    <Answer query={query} loading={<Skeleton heights={[190]} />}>
      {(page) => (
        <>
          <ul className={styles.strip}>
            {page.items.map((found) => (
              <li key={found.position}>
                {found.partner === null ? (
                  <Tile name={name} number={number} image={found.image} marked={found.object} />
                ) : (
                  <div className={styles.pair}>
                    <Tile name={name} number={number} image={found.partner} caption={`${found.partner.split || "kept"}: ${found.partner.labels.join(", ")}`} />
                    <Tile name={name} number={number} image={found.image} caption={`${found.image.split || "copy"}: ${found.image.labels.join(", ")}`} />
                  </div>
                )}
                {ticks ? (
                  <label className="small">
                    <input
                      type="checkbox"
                      checked={ticks.isTaken(found.position)}
                      onChange={(event) => ticks.onTake(found.position, event.target.checked)}
                    />{" "}
                    {after?.(found) ?? found.note}
                  </label>
                ) : (
                  <span className="small muted">{found.note}</span>
                )}
                {number > 0 && (
                  <Link className="small" {...fixOf(name, number, finding, found)} aria-label={`Fix ${found.image.image} by hand`}>
                    Fix by hand
                  </Link>
                )}
              </li>
            ))}
          </ul>
          {page.next !== null && <p className="muted small">and {count(page.total - page.items.length, "more", "more")}</p>}
        </>
      )}
    </Answer>
  );
}

/** The link to a case's image in the editor, which goes on to the other images of the finding. */
function fixOf(name: string, number: number, finding: Schemas["FindingSummary"], found: Schemas["FindingCase"]) {
  const at = found.partner === null ? found.position : 2 * found.position + 1; // copies are listed beside what they are copies of
  const walk = finding.check.startsWith("reviewed-") ? {} : { finding: finding.check, at };
  const first = found.image.objects[0]?.index;
  const search = {
    row: found.image.row,
    ...walk,
    why: `${finding.check}: ${found.note}`,
    ...(found.suggestion === null ? {} : { suggest: found.suggestion }),
    ...(found.object === null || first === undefined ? {} : { object: found.object - first }), // counted within its image
  };
  return { to: "/data/$name/$version/edit" as const, params: { name, version: String(number) }, search };
}
