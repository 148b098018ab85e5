import { beforeEach, expect, it } from "vitest";
import { bare, faultAt, limits, parsed, typed, valueAt, withMappedSpace, withValue } from "./draft";

beforeEach(() => window.sessionStorage.clear());

it("replaces, adds and removes values at any depth without changing the old ones", () => {
  const before = { arguments: { momentum: 0.9 }, space: { a: { type: "choice", values: [{ x: 1 }, { x: 2 }] } } };
  expect(withValue(before, ["arguments", "optimizer"], "sgd")).toMatchObject({ arguments: { momentum: 0.9, optimizer: "sgd" } });
  expect(withValue(before, ["space", "a", "values", 1, "x"], 3)).toMatchObject({ space: { a: { values: [{ x: 1 }, { x: 3 }] } } });
  expect(withValue(before, ["arguments", "momentum"], undefined)).toMatchObject({ arguments: {} });
  expect(before.arguments).toEqual({ momentum: 0.9 });
  expect(valueAt(before, ["space", "a", "values", 0, "x"])).toBe(1);
});

it.each([
  ["1e-3", 0.001], ["-9", -9], [".5", 0.5], ["true", true], ["sgd", "sgd"], ["1e", "1e"], ["", ""], ["3x2", "3x2"],
])("reads %s as %s", (text, value) => expect(parsed(text)).toBe(value));

it("shows lists as people type them", () => expect(typed([1, "a", true])).toBe("1, a, true"));

it("finds the mistake of a field and leaves out the names before it", () => {
  const fault = { path: ["policy", "slack_factor"], sentence: "policy: slack_factor: must be positive" };
  expect(faultAt([fault], ["policy", "slack_factor"])).toBe("must be positive");
  expect(faultAt([fault], ["policy"])).toBeUndefined();
  const deep = { path: ["space", "a", "values", 0, "b", "high"], sentence: "space: a[0].b: high: must be a number" };
  expect(bare(deep)).toBe("must be a number");
  expect(bare({ path: [], sentence: "the whole: is odd" })).toBe("the whole: is odd");
});

it("says what a number may be", () => {
  expect(limits({ anyOf: [{ type: "number", exclusiveMinimum: 0, maximum: 1 }, { type: "null" }] })).toBe("above 0, at most 1");
});

it("turns a list of alternatives into the choice that it stands for", () => {
  const values = { hyperparameter_sampling: { space: [{ a: 1 }] } };
  expect(valueAt(withMappedSpace(values), ["hyperparameter_sampling", "space", "alternatives", "type"])).toBe("choice");
});
