// The basket in the address: "leak:exclude,wrong-label:relabel!3.7" takes two findings, the second without two cases.
export interface Choice {
  check: string;
  action: string;
  left: number[];
}

/** What the address says, or else what is proposed. */
export function choicesOf(text: string | undefined, proposed: { check: string; action: string }[]): Choice[] {
  if (text === undefined) return proposed.map((choice) => ({ left: [], ...choice }));
  return text
    .split(",")
    .filter((part) => part.includes(":"))
    .map((part) => {
      const [taken = "", left = ""] = part.split("!");
      const at = taken.lastIndexOf(":");
      return {
        check: taken.slice(0, at),
        action: taken.slice(at + 1),
        left: left.split(".").filter((one) => /^\d+$/.test(one)).map(Number),
      };
    });
}

/** The basket as a part of the address. */
export function textOf(choices: Choice[]): string {
  return choices
    .map(({ check, action, left }) => `${check}:${action}${left.length > 0 ? `!${left.join(".")}` : ""}`)
    .join(",");
}
