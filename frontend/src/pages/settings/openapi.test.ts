import { expect, it } from "vitest";
import { operations, type ApiDescription } from "./openapi";
import { size } from "./size";

const API: ApiDescription = {
  paths: {
    "/api/v1/runs/{id}": {
      get: {
        description: "Return a run.",
        tags: ["runs"],
        parameters: [{ name: "id", in: "path", required: true }],
        responses: { "200": { content: { "application/json": { schema: { $ref: "#/components/schemas/Run" } } } } },
      },
      post: { requestBody: { content: { "application/json": { schema: { $ref: "#/components/schemas/Run" } } } } },
    },
  },
  components: {
    schemas: {
      Run: { properties: { id: { type: "string", examples: ["chest-1"] }, best: { anyOf: [{ type: "null" }, { type: "number" }] }, inner: { type: "array", items: { $ref: "#/components/schemas/Run" } } } },
    },
  },
};

it("lists operations with examples that end, however deep the schemas lead into themselves", () => {
  const [get, post] = operations(API, "http://here");
  expect(get).toMatchObject({ method: "get", tag: "runs", sentence: "Return a run.", curl: "curl http://here/api/v1/runs/{id}" });
  expect(get?.answer).toMatchObject({ id: "chest-1", best: 0.5, inner: [{ id: "chest-1" }] });
  expect(post?.curl).toContain("-X POST -H 'X-Studio: 1' --json '{\"id\":\"chest-1\"");
});

it.each([[0, "0 bytes"], [999, "999 bytes"], [1_500, "1.5 kB"], [4_300_000, "4.3 MB"], [123_456_789, "123 MB"], [1.5e12, "1.5 TB"]])(
  "writes %d as %s", (bytes, text) => expect(size(bytes)).toBe(text),
);
