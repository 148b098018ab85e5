import { expect, test } from "vitest";
import { count, duration, figure, interval, moment, significant } from "./format";

test.each([
  [{ value: 0.91344, low: 0.8841, high: 0.93789 }, "0.913 [0.884, 0.938]"],
  [{ value: 0.5 }, "0.500"],
  [null, "–"],
])("an interval is shown with its ends", (found, text) => expect(interval(found)).toBe(text));

test.each([
  [0, "0:00"],
  [65.9, "1:05"],
  [5999, "99:59"],
  [6000, "1 h 40"],
  [-3, "0:00"],
])("a duration of %d s", (seconds, text) => expect(duration(seconds)).toBe(text));

test("figures, counts and moments", () => {
  expect(figure(0)).toBe("0.000");
  expect([24.4936, 0.09691, 4, 1234.5].map(significant)).toEqual(["24.5", "0.0969", "4", "1230"]);
  expect(count(1, "image")).toBe("1 image");
  expect(count(1200, "image")).toBe("1,200 images");
  const noon = new Date(2026, 10, 29, 12).getTime();
  expect(moment(noon / 1000 - 3600, noon)).toBe("today 11:00");
  expect(moment(noon / 1000 - 86_400, noon)).toBe("yesterday 12:00");
  expect(moment(noon / 1000 - 30 * 86_400, noon)).toBe("30 Oct 2026");
});
