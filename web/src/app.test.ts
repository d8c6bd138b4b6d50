import { expect, test } from "vitest";
import { ownPath } from "./app";

test.each([
  ["/songs/1?q=a", "/songs/1?q=a"],
  ["//evil.example", "/"],
  ["/\\evil.example", "/"],
  ["https://evil.example", "/"],
  [undefined, "/"],
])("after login one goes nowhere but here: %s", (to, expected) => {
  expect(ownPath(to)).toBe(expected);
});
