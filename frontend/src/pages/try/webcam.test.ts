import { expect, test } from "vitest";
import { rateOf } from "./webcam";

test("images per second from the times of their ends", () => {
  expect(rateOf([])).toBeNull();
  expect(rateOf([5])).toBeNull();
  expect(rateOf([0, 100, 200, 300])).toBe(10);
});
