import { expect, test } from "vitest";
import { beginningOf, wav } from "./clip";
import { levelDbfs } from "./microphone";
import { placeNowS } from "./playing";
import { confidenceWords, dayWords } from "./words";

test("a clip is a WAV that any decoder reads, and what is too loud is clipped", async () => {
  const clip = new DataView(await wav(new Float32Array([0, 0.5, -1, 2]), 16_000).arrayBuffer());
  const text = (at: number) => String.fromCharCode(...[0, 1, 2, 3].map((i) => clip.getUint8(at + i)));
  expect([text(0), text(8), text(12), text(36)]).toEqual(["RIFF", "WAVE", "fmt ", "data"]);
  expect([clip.getUint32(4, true), clip.getUint32(24, true), clip.getUint32(40, true)]).toEqual([44, 16_000, 8]);
  expect([44, 46, 48, 50].map((at) => clip.getInt16(at, true))).toEqual([0, 16_384, -32_767, 32_767]);
});

test("of a large file only the beginning travels, but of MP4 all of it", () => {
  const large = new Uint8Array(20 * 1024 * 1024);
  expect(beginningOf(new File([large], "song.flac")).size).toBe(12 * 1024 * 1024);
  expect(beginningOf(new File([large], "song.M4A")).size).toBe(large.length);
});

test("the level of a full sine is -3 dB, and silence has one too", () => {
  expect(levelDbfs(Float32Array.from({ length: 4800 }, (_, i) => Math.sin(i / 10)))).toBeCloseTo(-3, 1);
  expect(levelDbfs(new Float32Array(100))).toBe(-120);
});

test("the song goes on while the answer travels, faster where it is played fast", () => {
  expect(placeNowS({ play_offset_ms: 10_000, time_skew: 1.02 }, 5000)).toBeCloseTo(15.1);
});

test.each([
  [1, "Certain, 100 %"],
  [0.9999, "Certain, 99.9 %"],
  [0.93, "Very sure, 93 %"],
  [0.61, "Fairly sure, 61 %"],
  [0.2, "A guess, 20 %"],
])("confidence is never rounded up to certainty: %s", (confidence, words) => {
  expect(confidenceWords(confidence)).toBe(words);
});

test("days are said as people say them", () => {
  const now = new Date(2026, 2, 30, 0, 30);
  expect(dayWords(new Date(2026, 2, 30, 0, 1).toISOString(), now)).toBe("Today");
  expect(dayWords(new Date(2026, 2, 29, 23, 59).toISOString(), now)).toBe("Yesterday");
  expect(dayWords(new Date(2026, 2, 28, 12).toISOString(), now)).toContain("28");
});
