// The runs that work and wait on this machine, in the order in which they start.
import { Link } from "@tanstack/react-router";
import { $api } from "../api/client";

/** The line of runs; nothing where no run works. */
export function Queue() {
  const line = $api.useQuery("get", "/api/v1/jobs/line", {}, { refetchInterval: 5_000 });
  if (line.data === undefined || line.data.length === 0) return null;
  return (
    <ol className="small" aria-label="runs in line">
      {line.data.map((entry) => (
        <li key={entry.run} className="line">
          <span className="muted numbers">{entry.place === 0 ? "now" : entry.place}</span>
          {entry.is_here ? (
            <Link to="/runs/$runId" params={{ runId: entry.run }}>
              {entry.run}
            </Link>
          ) : (
            <span title={entry.workspace}>{entry.run} (of another workspace)</span>
          )}
        </li>
      ))}
    </ol>
  );
}
