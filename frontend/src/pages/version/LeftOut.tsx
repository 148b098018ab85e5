import { $api } from "../../api/client";
import { count } from "../../components/format";
import { Scrolls } from "../../components/Scrolls";
import { Answer } from "../../components/states";

/** Records that could not be used, or remarks on those that were kept, with place and reason. */
export function LeftOut({ name, number, notes = false }: { name: string; number: number; notes?: boolean }) {
  const query = $api.useQuery("get", "/api/v1/datasets/{name}/versions/{number}/left-out", {
    params: { path: { name, number }, query: { limit: 200, notes } },
  });
  return (
    <Answer query={query}>
      {(page) => (
        <Scrolls label="records and reasons">
          <table>
            <thead>
              <tr>
                <th>Where</th>
                <th>Why</th>
              </tr>
            </thead>
            <tbody>
              {page.items.map(({ place, reason }, i) => (
                <tr key={i}>
                  <td>{place}</td>
                  <td>{reason}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {page.next !== null && <p className="muted small">and {count(page.total - page.items.length, "more", "more")}</p>}
        </Scrolls>
      )}
    </Answer>
  );
}
