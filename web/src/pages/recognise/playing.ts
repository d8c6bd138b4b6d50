// How does the player go on from where the music in the room is?
import { effect } from "@preact/signals";
import type { Schemas } from "../../api/client";
import { current, playAt, player } from "../../player/store";

type Song = Schemas["SongBody"];
type Match = Schemas["ClipMatch"];

/** Off by less is not heard as an echo; a jump would be. In seconds. */
const TOLERANCE_S = 0.08;
const PATIENCE_MS = 15_000;

/** Play a song from a place on, in milliseconds. */
export function playFrom(song: Song, offset_ms: number): void {
  playAt(song, Math.max(0, offset_ms) / 1000);
}

/** Play what is heard, where it is by now; what loading takes is made up for once. */
export function playInSync(song: Song, match: Match, endedAt: number): void {
  const pressedAt = performance.now();
  const nowS = () => placeNowS(match, performance.now() - endedAt);
  const hasEnded = nowS() >= match.song.duration_ms / 1000;
  playAt(song, hasEnded ? 0 : nowS());
  if (hasEnded) return;
  const stop = effect(() => {
    const isRunning = player.isPlaying.value && !player.isWaiting.value;
    if (current.value?.id !== song.id || performance.now() - pressedAt > PATIENCE_MS)
      return queueMicrotask(() => stop());
    if (!isRunning) return;
    queueMicrotask(() => {
      stop();
      if (Math.abs(player.time_s.value - nowS()) > TOLERANCE_S) player.seek(nowS());
    });
  });
}

/** Where the song is, in seconds, so many milliseconds after the clip ended; a song that is played fast runs ahead. */
export function placeNowS(match: Pick<Match, "play_offset_ms" | "time_skew">, sinceMs: number): number {
  return Math.max(0, match.play_offset_ms + sinceMs * match.time_skew) / 1000;
}
