import { expect, test } from "vitest";
import { comparedOf, namesOf, queryOf } from "./address";

test.each([
  ["3,7", "run-1:3,run-1:7", "Trial 3"],
  ["run-1:3,run-2:7", "run-1:3,run-2:7", "Trial 3 of run-1"],
  ["a:b:3,7", "a:b:3,run-1:7", "Trial 3 of a:b"],
])("%s names two trials", (trials, query, first) => {
  const found = comparedOf({ trials }, "run-1");
  expect(found && queryOf(found).trials).toBe(query);
  expect(found && namesOf(found).first).toBe(first);
});

test.each(["", "3", "3,x", "1,2,3", "run:,2"])("%s does not", (trials) => expect(comparedOf({ trials }, "run-1")).toBeNull());
