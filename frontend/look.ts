// The one look of notebook, report and studio, `look.json`, as the variables of a style sheet.
import type { Plugin } from "vite";

interface Look {
  font: string;
  colours: Record<"light" | "dark", Record<string, unknown>>;
}

const NAME = "virtual:look.css";

export function lookVariables(look: Look): string {
  const variables = (mode: "light" | "dark") =>
    Object.entries(look.colours[mode])
      .filter((entry): entry is [string, string] => typeof entry[1] === "string")
      .map(([name, colour]) => `--${name}: ${colour};`)
      .join(" ");
  return [
    `:root { --font: ${look.font}; color-scheme: light; ${variables("light")} }`,
    `@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) { color-scheme: dark; ${variables("dark")} } }`,
    `:root[data-theme="dark"] { color-scheme: dark; ${variables("dark")} }`,
  ].join("\n");
}

/** Lets the app import the colours as a style sheet. */
export function lookPlugin(look: Look): Plugin {
  return {
    name: "look",
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    load: (id) => (id === `\0${NAME}` ? lookVariables(look) : undefined),
  };
}
