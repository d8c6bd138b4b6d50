// What is the outline of a song? Heights from 0 to 1, as many as there are bars to draw.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { answer, api } from "../api/client";

export const BARS = 160;
const KEPT = 50;
const MEASURED_AFTER_MS = 3000;

/** Outlines by song; an absent one is on its way, or nobody can tell. */
const outlines = signal<ReadonlyMap<string, readonly number[]>>(new Map());

/** The heights of the bars of a song, once they are known. */
export function useOutline(songId: string): readonly number[] | null {
  useEffect(() => {
    if (outlines.peek().has(songId)) return;
    const ends = new AbortController();
    void learn(songId, ends.signal);
    return () => ends.abort();
  }, [songId]);
  return outlines.value.get(songId) ?? null;
}

async function learn(songId: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const found = await answer(
      api.GET("/v1/songs/{song_id}/waveform", { params: { path: { song_id: songId } }, signal }),
    ).catch(() => null);
    if (found === null || signal.aborted) return; // a song plays without a picture
    if ("data" in found) {
      outlines.value = new Map([...outlines.peek()].slice(1 - KEPT)).set(songId, bars(found.data));
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, MEASURED_AFTER_MS));
  }
}

/** The largest of each stretch of (minimum, maximum) pairs, the highest of all being 1. */
export function bars(pairs: readonly number[], count = BARS): number[] {
  const length = pairs.length / 2;
  const heights = Array.from({ length: count }, (_, bar) => {
    const [from, to] = [Math.floor((bar * length) / count), Math.max(1, Math.floor(((bar + 1) * length) / count))];
    let highest = 0;
    for (let at = 2 * from; at < 2 * to; at += 1) highest = Math.max(highest, Math.abs(pairs[at] ?? 0));
    return highest;
  });
  const top = Math.max(...heights, 1);
  return heights.map((height) => height / top);
}
