// The API's description as a list: what each operation takes, and an example of its body and its answer.

interface Schema {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  examples?: unknown[];
  description?: string;
  additionalProperties?: Schema | boolean;
  format?: string;
}

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: Schema;
}

interface RawOperation {
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema?: Schema }> };
  responses?: Record<string, { description?: string; content?: Record<string, { schema?: Schema }> }>;
}

export interface ApiDescription {
  paths: Record<string, Record<string, RawOperation>>;
  components?: { schemas?: Record<string, Schema> };
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  tag: string;
  sentence: string;
  parameters: Parameter[];
  body: unknown;
  answer: unknown;
  curl: string;
}

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEEPEST = 5;

/** Every operation, in the order of the description. */
export function operations(api: ApiDescription, root: string): Operation[] {
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([method]) => METHODS.includes(method))
      .map(([method, raw]) => operation(api, root, path, method, raw)),
  );
}

function operation(api: ApiDescription, root: string, path: string, method: string, raw: RawOperation): Operation {
  const body = exampleOf(api, raw.requestBody?.content);
  const [, good] = Object.entries(raw.responses ?? {}).find(([status]) => status.startsWith("2")) ?? [];
  const words = ["curl", method === "get" ? "" : `-X ${method.toUpperCase()}`, body === undefined ? "" : `-H 'X-Studio: 1' --json '${JSON.stringify(body)}'`];
  if (method !== "get" && body === undefined) words.push("-H 'X-Studio: 1'");
  return {
    id: `${method} ${path}`,
    method,
    path,
    tag: raw.tags?.[0] ?? "",
    sentence: raw.description ?? raw.summary ?? "",
    parameters: raw.parameters ?? [],
    body,
    answer: exampleOf(api, good?.content),
    curl: [...words.filter((word) => word !== ""), `${root}${path}`].join(" "),
  };
}

function exampleOf(api: ApiDescription, content: Record<string, { schema?: Schema }> | undefined): unknown {
  const schema = content?.["application/json"]?.schema;
  return schema === undefined ? undefined : example(api, schema, 0);
}

/** A value that a schema allows: its own example where it has one. */
export function example(api: ApiDescription, schema: Schema, depth: number): unknown {
  if (schema.examples?.[0] !== undefined) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  if (schema.enum?.[0] !== undefined) return schema.enum[0];
  if (schema.$ref !== undefined) {
    const found = api.components?.schemas?.[schema.$ref.split("/").at(-1) ?? ""];
    return found === undefined || depth > DEEPEST ? {} : example(api, found, depth + 1);
  }
  const inner = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  const first = inner?.find((one) => one.type !== "null");
  if (first !== undefined) return example(api, first, depth);
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  return plain(api, schema, depth);
}

function plain(api: ApiDescription, schema: Schema, depth: number): unknown {
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "object" || schema.properties !== undefined) {
    if (schema.properties === undefined) return {};
    return Object.fromEntries(Object.entries(schema.properties).map(([name, one]) => [name, example(api, one, depth + 1)]));
  }
  if (type === "array") return schema.items === undefined || depth > DEEPEST ? [] : [example(api, schema.items, depth + 1)];
  return { string: "text", integer: 1, number: 0.5, boolean: true }[type ?? ""] ?? null;
}
