// What is played, and what comes next? Everybody may put songs here: `playSongs(songs, 3)`, `playAt(song, 42.5)`.
import { computed, effect, signal } from "@preact/signals";
import type { Schemas } from "../api/client";
import { state } from "../session/session";
import { player, transport } from "./player";

export type Song = Schemas["SongBody"];
export type Repeat = "off" | "all" | "one";
export { audioGraph, hasAudioGraph, setEqualizer } from "./graph";
export { player } from "./player";

/** What is played, in order. */
export const queue = signal<readonly Song[]>([]);
/** Where in the queue we are; -1 where nothing is played. */
export const position = signal(-1);
export const current = computed<Song | null>(() => queue.value[position.value] ?? null);
export const repeat = signal<Repeat>("off");
export const isShuffled = signal(false);

/** The order before somebody shuffled it. */
let ordered: readonly Song[] = [];

/** Play these songs, beginning with one of them. Call it in a person's click. */
export function playSongs(songs: readonly Song[], first = 0): void {
  const chosen = songs[first];
  if (!chosen) return;
  const playable = songs.filter((song) => song.status === "ready");
  ordered = playable;
  queue.value = isShuffled.value ? [chosen, ...shuffled(playable.filter((song) => song !== chosen))] : playable;
  goTo(queue.value.indexOf(chosen));
}

/** Play one song from a place on, in seconds; what was in the queue follows it. */
export function playAt(song: Song, offset_s: number): void {
  if (current.value?.id !== song.id) insertAfterCurrent([song]);
  goTo(current.value?.id === song.id ? position.value : position.value + 1, offset_s);
}

/** Play the song at a place of the queue. */
export function goTo(index: number, offset_s = 0): void {
  const song = queue.value[index];
  if (!song) return;
  position.value = index;
  transport.start(song, offset_s);
}

/** Play these right after the current song. */
export function playNext(songs: readonly Song[]): void {
  if (current.value) insertAfterCurrent(songs);
  else playSongs(songs);
}

/** Play these after all others. */
export function addToQueue(songs: readonly Song[]): void {
  if (!current.value) {
    playSongs(songs);
    return;
  }
  ordered = [...ordered, ...songs];
  queue.value = [...queue.value, ...songs];
}

export function next(): void {
  const index = indexAfter(false);
  if (index !== null) goTo(index);
}

/** Begin the song again, or go to the one before where it has only just begun. */
export function previous(): void {
  if (player.time_s.value > 3 || position.value === 0) player.seek(0);
  else goTo(position.value - 1);
}

/** Move a song of the queue; the one that is heard goes on. */
export function moveSong(from: number, to: number): void {
  const song = queue.value[from];
  if (!song || to < 0 || to >= queue.value.length) return;
  const songs = queue.value.toSpliced(from, 1).toSpliced(to, 0, song);
  const at = position.value;
  queue.value = songs;
  position.value = from === at ? to : at + Number(from > at && to <= at) - Number(from < at && to >= at);
}

/** Take a song out of the queue; if it is heard, the next one is. */
export function removeSong(index: number): void {
  const song = queue.value[index];
  const at = position.value;
  ordered = ordered.filter((each) => each !== song);
  queue.value = queue.value.toSpliced(index, 1);
  if (index < at) position.value = at - 1;
  else if (index === at) {
    if (queue.value.length === 0) clearQueue();
    else goTo(Math.min(at, queue.value.length - 1));
  }
}

/** Stop, and forget all that was to come. */
export function clearQueue(): void {
  ordered = [];
  queue.value = [];
  position.value = -1;
  transport.stop();
}

/** Say that something about a song has changed; wherever it stands here, it is shown as it is now. */
export function songChanged(changed: Song): void {
  const put = (song: Song) => (song.id === changed.id ? changed : song);
  ordered = ordered.map(put);
  queue.value = queue.value.map(put);
}

/** A song is gone: nobody hears it any more. */
export function songDeleted(songId: string): void {
  for (let index = queue.value.length - 1; index >= 0; index--)
    if (queue.value[index]?.id === songId) removeSong(index);
}

export function setShuffled(next: boolean): void {
  isShuffled.value = next;
  const song = current.value;
  if (!song) return;
  queue.value = next ? [song, ...shuffled(queue.value.toSpliced(position.value, 1))] : ordered;
  position.value = queue.value.indexOf(song);
}

/** Which song follows; `isByItself` when the one before has ended, so that "repeat one" counts. */
export function indexAfter(isByItself: boolean): number | null {
  if (position.value < 0) return null;
  if (isByItself && repeat.value === "one") return position.value;
  if (position.value + 1 < queue.value.length) return position.value + 1;
  return repeat.value === "all" || (!isByItself && repeat.value === "one") ? 0 : null;
}

function insertAfterCurrent(songs: readonly Song[]): void {
  const at = position.value + 1;
  ordered = [...ordered, ...songs];
  queue.value = queue.value.toSpliced(at, 0, ...songs);
}

function shuffled(songs: readonly Song[]): Song[] {
  const rest = [...songs];
  for (let last = rest.length - 1; last > 0; last--) {
    const chosen = Math.floor(Math.random() * (last + 1));
    [rest[last], rest[chosen]] = [rest[chosen] as Song, rest[last] as Song];
  }
  return rest;
}

transport.follow(
  () => {
    const index = indexAfter(true);
    return index === null || index === position.value ? null : (queue.value[index] ?? null);
  },
  () => {
    const index = indexAfter(true);
    if (index !== null) return goTo(index);
    player.pause();
    player.seek(0);
  },
);

effect(() => {
  if (state.value === "signed-out" && position.peek() >= 0) clearQueue();
});
