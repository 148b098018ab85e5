import { expect, test } from "vitest";
import { isSent } from "./upload";

test.each([
  ["photos/cats/1.jpg", true],
  ["photos/.DS_Store", false],
  ["photos/__MACOSX/1.jpg", false],
  [".git/config", false],
  ["photos/Thumbs.db", false],
])("%s is sent: %s", (path, sent) => expect(isSent({ path, file: new File([], "x") })).toBe(sent));
