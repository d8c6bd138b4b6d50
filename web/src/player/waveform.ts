// What is the outline of a song? It comes once per song, and becomes as many bars as there is room for.
import { signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { answer, api } from "../api/client";

const KEPT = 50;
const MEASURED_AFTER_MS = 3000;

/** Pairs of (minimum, maximum) by song; absent ones are on their way, or nobody can tell. */
const outlines = signal<ReadonlyMap<string, readonly number[]>>(new Map());

/** Heights from 0 to 1 of the bars of a song, once they are known. */
export function useOutline(songId: string, count: number): readonly number[] | null {
  useEffect(() => {
    if (outlines.peek().has(songId)) return;
    const ends = new AbortController();
    void learn(songId, ends.signal);
    return () => ends.abort();
  }, [songId]);
  const pairs = outlines.value.get(songId);
  return useMemo(() => (pairs ? bars(pairs, count) : null), [pairs, count]);
}

async function learn(songId: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const found = await answer(
      api.GET("/v1/songs/{song_id}/waveform", { params: { path: { song_id: songId } }, signal }),
    ).catch(() => null);
    if (found === null || signal.aborted) return; // a song plays without a picture
    if ("data" in found) {
      outlines.value = new Map([...outlines.peek()].slice(1 - KEPT)).set(songId, found.data);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, MEASURED_AFTER_MS));
  }
}

/** The mean height of each stretch of (minimum, maximum) pairs, the highest of all being 1. */
export function bars(pairs: readonly number[], count: number): number[] {
  const length = pairs.length / 2;
  const heights = Array.from({ length: count }, (_, bar) => {
    const from = Math.floor((bar * length) / count);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * length) / count));
    let sum = 0;
    for (let at = from; at < to; at += 1) sum += (pairs[2 * at + 1] ?? 0) - (pairs[2 * at] ?? 0);
    return sum / (to - from);
  });
  const top = Math.max(...heights, 1);
  return heights.map((height) => height / top);
}
