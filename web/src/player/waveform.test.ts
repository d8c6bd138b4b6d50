import { expect, test } from "vitest";
import { clock, clockWords } from "./clock";
import { bars } from "./waveform";

test("bars are the mean heights of their stretches, the highest being 1", () => {
  expect(bars([-10, 10, -30, 30, -5, 5, -5, 5], 2)).toEqual([1, 0.25]);
});

test("silence and songs shorter than the bars have heights, too", () => {
  expect(bars([0, 0, 0, 0], 2)).toEqual([0, 0]);
  expect(bars([-1, 1], 3)).toHaveLength(3);
});

test("times are short to read and plain to hear", () => {
  expect([clock(83.9), clock(3723), clock(-1), clock(13.999999)]).toEqual(["1:23", "1:02:03", "0:00", "0:14"]);
  expect([clockWords(61), clockWords(120)]).toEqual(["1 minute 1 second", "2 minutes 0 seconds"]);
});
