import { expect, test } from "vitest";
import { choicesOf, textOf } from "./basket";

const proposed = [{ check: "leak", action: "exclude", left: [] }];

test.each([
  [undefined, proposed],
  ["", []],
  ["leak:exclude,wrong-label:relabel!3.7", [...proposed, { check: "wrong-label", action: "relabel", left: [3, 7] }]],
  ["box-misses-mask:fit box", [{ check: "box-misses-mask", action: "fit box", left: [] }]],
  ["nonsense", []],
])("%s in the address", (text, choices) => expect(choicesOf(text, proposed)).toEqual(choices));

test("a basket comes back from the address as it was", () => {
  const choices = [...proposed, { check: "wrong-label", action: "relabel", left: [0, 12] }];
  expect(choicesOf(textOf(choices), [])).toEqual(choices);
});
