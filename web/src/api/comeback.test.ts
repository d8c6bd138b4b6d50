import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { comeback } from "./comeback";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** How long it waits, in milliseconds, to the next quarter of a second. */
async function waitedMs(failures: number, retryAt: number | null): Promise<number> {
  let isBack = false;
  void comeback(failures, retryAt, new AbortController().signal).then(() => {
    isBack = true;
  });
  const begin = Date.now();
  while (!isBack) await vi.advanceTimersByTimeAsync(250);
  return Date.now() - begin;
}

test("pauses grow up to a bound, and are never shorter than the service says", async () => {
  expect(await waitedMs(0, null)).toBeLessThanOrEqual(500);
  for (const failures of [5, 40]) {
    const waited = await waitedMs(failures, null);
    expect(waited).toBeGreaterThanOrEqual(7500);
    expect(waited).toBeLessThanOrEqual(15_000);
  }
  expect(await waitedMs(0, Date.now() + 60_000)).toBe(60_000);
  expect(await waitedMs(0, Date.now() - 60_000)).toBeGreaterThanOrEqual(250);
});

test("a network that comes back, or somebody who has lost interest, ends the pause at once", async () => {
  const ends = new AbortController();
  const [back, over] = [comeback(10, null, new AbortController().signal), comeback(10, null, ends.signal)];
  ends.abort("over");
  await expect(over).rejects.toBe("over");
  dispatchEvent(new Event("online"));
  await back;
  await expect(comeback(0, null, ends.signal)).rejects.toBe("over");
  expect(vi.getTimerCount()).toBe(0);
});
