import { expect, test } from "vitest";
import { FLAT } from "./filters";
import { decibels, hertz, presetWords, settingsWords } from "./words";

test.each([
  [3, "+3 dB"],
  [-2.5, "−2.5 dB"],
  [-0.04, "0 dB"],
])("a level of %s is said with its sign: %s", (level, words) => {
  expect(decibels(level)).toBe(words);
});

test("frequencies are said as people say them", () => {
  expect([80, 999.7, 3400, 12_500].map(hertz)).toEqual(["80 Hz", "1 kHz", "3.4 kHz", "12.5 kHz"]);
});

test("settings are said by what they do, and nothing else", () => {
  expect(settingsWords(FLAT)).toBe("Flat");
  expect(settingsWords({ ...FLAT, mid_db: -1, low_pass_hz: 9000 })).toBe("Mid −1 dB, low-pass at 9 kHz");
});

test("people's own names stay as they are", () => {
  expect(presetWords({ name: "small-speakers", is_built_in: true })).toBe("Small speakers");
  expect(presetWords({ name: "my-car", is_built_in: false })).toBe("my-car");
});
