import { Tag, type Tone } from "../../components/controls";
import { count } from "../../components/format";

const KINDS: [string, Tone][] = [
  ["error", "error"],
  ["warning", "warning"],
  ["hint", "plain"],
];

/** How much the doctor found, by severity. */
export function FindingCounts({ found }: { found: Record<string, number> | null }) {
  if (found === null) return <span className="muted">not checked</span>;
  const there = KINDS.filter(([severity]) => (found[severity] ?? 0) > 0);
  if (there.length === 0) return <Tag tone="good">nothing found</Tag>;
  return (
    <span className="line" style={{ flexWrap: "nowrap" }}>
      {there.map(([severity, tone]) => (
        <Tag key={severity} tone={tone}>
          {count(found[severity] ?? 0, severity)}
        </Tag>
      ))}
    </span>
  );
}
