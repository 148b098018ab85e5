import { expect, test } from "vitest";
import { isNew } from "./lastVisit";

test.each([
  [{ ended: 100, status: "Completed" }, 99, true],
  [{ ended: 100, status: "Failed" }, 99, true],
  [{ ended: 100, status: "Completed" }, 101, false],
  [{ ended: 100, status: "Completed" }, null, false],
  [{ ended: null, status: "Running" }, 99, false],
  [{ ended: 100, status: "Running" }, 99, false],
])("%o after a visit at %s", (run, visit, expected) => expect(isNew(run, visit)).toBe(expected));
