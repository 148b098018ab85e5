import { expect, test } from "vitest";
import { addressParts, fileSize, megabytes, milliseconds, percent } from "./figures";

test("figures of models as texts", () => {
  expect(milliseconds(9.237)).toBe("9.2 ms");
  expect(milliseconds(344.4)).toBe("344 ms");
  expect(milliseconds(null)).toBe("–");
  expect(megabytes(13.632845)).toBe("13.6 MB");
  expect([fileSize(815), fileSize(2886), fileSize(13632845)]).toEqual(["815 B", "2.9 kB", "13.6 MB"]);
  expect(percent(0.61556)).toBe("61.6 %");
});

test.each([
  ["clothing:2", { name: "clothing", version: "2" }],
  ["my.model-1:12", { name: "my.model-1", version: "12" }],
  ["", null],
  ["clothing", null],
  ["<b>:1", null],
])("the parts of %s", (address, parts) => expect(addressParts(address)).toEqual(parts));
