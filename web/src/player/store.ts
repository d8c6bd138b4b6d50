// What is played, and what comes next? Everybody may put songs here: `playSongs(songs, 3)`, `playAt(song, 42.5)`.
import { computed, effect, signal } from "@preact/signals";
import type { Schemas } from "../api/client";
import { state } from "../session/session";
import { following, moved, type Order, type Repeat, shuffled, withNext, without } from "./order";
import { player, transport } from "./player";

export type Song = Schemas["SongBody"];
export { audioGraph, hasAudioGraph, setEqualizer } from "./graph";
export type { Repeat } from "./order";
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

const order = (): Order<Song> => ({ items: queue.value, at: position.value });

function put({ items, at }: Order<Song>): void {
  queue.value = items;
  position.value = at;
}

/** Play these songs, beginning with one of them; those that are not ready are left out. Call it in a person's click. */
export function playSongs(songs: readonly Song[], first = 0): void {
  const chosen = songs[first];
  if (chosen?.status !== "ready") return;
  ordered = songs.filter((song) => song.status === "ready");
  const inOrder = { items: ordered, at: ordered.indexOf(chosen) };
  put(isShuffled.value ? shuffled(inOrder) : inOrder);
  goTo(position.value);
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
  put(moved(order(), from, to));
}

/** Take a song out of the queue; if it is heard, the next one is. */
export function removeSong(index: number): void {
  const song = queue.value[index];
  const isHeard = index === position.value;
  ordered = ordered.filter((each) => each !== song);
  put(without(order(), index));
  if (queue.value.length === 0) clearQueue();
  else if (isHeard) goTo(position.value);
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
  const now = (song: Song) => (song.id === changed.id ? changed : song);
  ordered = ordered.map(now);
  queue.value = queue.value.map(now);
}

/** A song is gone: nobody hears it any more. */
export function songDeleted(songId: string): void {
  for (let index = queue.value.length - 1; index >= 0; index--)
    if (queue.value[index]?.id === songId) removeSong(index);
}

export function setShuffled(next: boolean): void {
  isShuffled.value = next;
  const song = current.value;
  if (song) put(next ? shuffled(order()) : { items: ordered, at: ordered.indexOf(song) });
}

/** Which place of the queue follows; `isByItself` when the song before has ended. */
export function indexAfter(isByItself: boolean): number | null {
  return following(order(), repeat.value, isByItself);
}

function insertAfterCurrent(songs: readonly Song[]): void {
  ordered = [...ordered, ...songs];
  put(withNext(order(), songs));
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
