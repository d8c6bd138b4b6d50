import { expect, test } from "vitest";
import recorded from "../../../docs/equalizer-responses.json";
import {
  complete,
  FLAT,
  FREQUENCIES_HZ,
  headroomDb,
  isSame,
  passes,
  responseDb,
  type Settings,
  sections,
} from "./filters";

test.each(recorded.responses)("$name at $sample_rate_hz Hz is what the service makes of it", (one) => {
  const settings = complete(one.settings as Partial<Settings>);
  expect(headroomDb(settings, one.sample_rate_hz)).toBeCloseTo(one.headroom_db, 4);
  const computed = responseDb(settings, one.sample_rate_hz);
  expect(computed).toHaveLength(one.response_db.length);
  for (const [i, level] of one.response_db.entries()) {
    // Both are silence below: 120 dB less than anything that is heard.
    if (level > -120) expect(Math.abs((computed[i] ?? Number.NaN) - level)).toBeLessThanOrEqual(0.01);
  }
});

test("frequencies are those at which the service draws", () => {
  expect(FREQUENCIES_HZ[0]).toBe(20);
  expect(FREQUENCIES_HZ.at(-1)).toBeCloseTo(20_000, 6);
});

test("what is flat has no sections, and takes no headroom", () => {
  expect(sections(FLAT, 48_000)).toEqual([]);
  expect(headroomDb(FLAT, 48_000)).toBe(0);
});

test.each([20, 300, 20_000])("filters are stable with corners at %s Hz, however steep", (hz) => {
  const settings = { ...FLAT, high_pass_hz: hz, high_pass_order: 8, low_pass_hz: hz, low_pass_order: 8 };
  const band = { ...FLAT, band_pass_low_hz: hz, band_pass_high_hz: Math.min(hz * 1.01, 20_100), band_pass_order: 8 };
  for (const { feedback } of [...passes(settings, 44_100), ...passes(band, 44_100)]) {
    expect(Math.abs(feedback[2])).toBeLessThan(1);
    expect(Math.abs(feedback[1])).toBeLessThan(1 + feedback[2]);
  }
});

test("the steepness of a filter that is off makes no difference", () => {
  expect(isSame(FLAT, { ...FLAT, high_pass_order: 8 })).toBe(true);
  expect(isSame({ ...FLAT, high_pass_hz: 80 }, { ...FLAT, high_pass_hz: 80, high_pass_order: 8 })).toBe(false);
});
