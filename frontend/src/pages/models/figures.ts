// Figures of models as texts; nothing is computed but units.

/** Milliseconds, such as "9.2 ms". */
export function milliseconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return `${value < 100 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

/** Megabytes, such as "13.6 MB". */
export function megabytes(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : `${value.toFixed(1)} MB`;
}

/** The size of a file, such as "815 B" or "13.6 MB". */
export function fileSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** A probability, such as "61.6 %". */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** Name and number of an address such as "clothing:2"; null where it is none. */
export function addressParts(address: string): { name: string; version: string } | null {
  const found = /^([\w.-]+):(\d+)$/.exec(address);
  return found === null ? null : { name: found[1] ?? "", version: found[2] ?? "" };
}
