// Values as texts. Nothing is computed here: a figure is shown as the API gives it.

export interface MetricInterval {
  value: number;
  low?: number | null;
  high?: number | null;
}

/** A metric, such as 0.9134; a dash where there is none. */
export function figure(value: number | null | undefined, digits = 3): string {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

/** A number to three digits, such as 24.5 or 0.0969. */
export function significant(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** A metric with its interval, such as 0.913 [0.884, 0.938]. */
export function interval(found: MetricInterval | null | undefined, digits = 3): string {
  if (found === null || found === undefined) return "–";
  if (found.low === null || found.low === undefined) return figure(found.value, digits);
  return `${figure(found.value, digits)} [${figure(found.low, digits)}, ${figure(found.high, digits)}]`;
}

/** A metric's name in words. */
export function metricName(name: string): string {
  return name.replaceAll("_", " ");
}

/** Seconds, such as 0:42, 12:05 or 3 h 04. */
export function duration(seconds: number): string {
  const minutes = Math.floor(Math.max(0, seconds) / 60);
  const rest = Math.floor(Math.max(0, seconds) % 60);
  if (minutes < 100) return `${minutes}:${String(rest).padStart(2, "0")}`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
}

/** A count with its noun: 1 image, 1,200 images. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number.toLocaleString("en-US")} ${number === 1 ? noun : plural}`;
}

/** A time such as "today 14:02", "yesterday 09:15" or "3 Nov 2026". */
export function moment(seconds: number, now = Date.now()): string {
  const date = new Date(seconds * 1000);
  const day = (time: Date | number) => new Date(time).toDateString();
  const clock = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (day(date) === day(now)) return `today ${clock}`;
  if (day(date) === day(now - 86_400_000)) return `yesterday ${clock}`;
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

/** The words for a split. */
export function splitName(split: string): string {
  return { train: "training", val: "validation", test: "test" }[split] ?? split;
}

const STATUS_WORDS: Record<string, string> = { NotStarted: "waiting" };

/** A status in words. */
export function statusWord(status: string): string {
  return STATUS_WORDS[status] ?? status.toLowerCase();
}
