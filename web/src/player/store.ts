// What is played, and what comes next? Everybody may put songs here: `playSongs(songs, 3)`, `playAt(song, 42.5)`.
import { computed, effect, signal } from "@preact/signals";
import type { Schemas } from "../api/client";
import { state } from "../session/session";
import { following, inOrder, moved, type Order, type Repeat, shuffled, withMore, without } from "./order";
import { player, transport } from "./player";

export type Song = Schemas["SongBody"];
export { audioGraph, hasAudioGraph, setEqualizer } from "./graph";
export type { Repeat } from "./order";
export { player } from "./player";

const NOTHING: Order<Song> = { items: [], at: -1, unshuffled: null };

const order = signal(NOTHING);
/** What is played, in order. */
export const queue = computed(() => order.value.items);
/** Where in the queue we are; -1 where nothing is played. */
export const position = computed(() => order.value.at);
export const current = computed<Song | null>(() => queue.value[position.value] ?? null);
export const repeat = signal<Repeat>("off");
export const isShuffled = signal(false);

/** Play these songs, beginning with one of them; those that are not ready are left out. Call it in a person's click. */
export function playSongs(songs: readonly Song[], first = 0): void {
  const chosen = songs[first];
  if (chosen?.status !== "ready") return;
  const items = songs.filter((song) => song.status === "ready");
  const next = { items, at: items.indexOf(chosen), unshuffled: null };
  order.value = isShuffled.value ? shuffled(next) : next;
  goTo(position.value);
}

/** Play one song from a place on, in seconds; what was in the queue follows it. */
export function playAt(song: Song, offset_s: number): void {
  const isCurrent = current.value?.id === song.id;
  if (!isCurrent) insertAfterCurrent([song]);
  goTo(isCurrent ? position.value : position.value + 1, offset_s);
}

/** Play the song at a place of the queue. */
export function goTo(index: number, offset_s = 0): void {
  const song = queue.value[index];
  if (!song) return;
  order.value = { ...order.value, at: index };
  transport.start(song, offset_s);
}

/** Play these right after the current song. */
export function playNext(songs: readonly Song[]): void {
  if (current.value) insertAfterCurrent(songs);
  else playSongs(songs);
}

/** Play these after all others. */
export function addToQueue(songs: readonly Song[]): void {
  if (current.value) order.value = withMore(order.value, songs, queue.value.length);
  else playSongs(songs);
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
  order.value = moved(order.value, from, to);
}

/** Take a song out of the queue; if it is heard, the next one is. */
export function removeSong(index: number): void {
  const [isHeard, wasPlaying] = [index === position.value, player.isPlaying.value];
  order.value = without(order.value, index);
  if (queue.value.length === 0) clearQueue();
  else if (isHeard) {
    goTo(position.value);
    if (!wasPlaying) player.pause();
  }
}

/** Stop, and forget all that was to come. */
export function clearQueue(): void {
  order.value = NOTHING;
  transport.stop();
}

/** Say that something about a song has changed; wherever it stands here, it is shown as it is now. */
export function songChanged(changed: Song): void {
  const now = (song: Song) => (song.id === changed.id ? changed : song);
  const { items, at, unshuffled } = order.value;
  order.value = { items: items.map(now), at, unshuffled: unshuffled?.map(now) ?? null };
}

/** A song is gone: nobody hears it any more. */
export function songDeleted(songId: string): void {
  for (let index = queue.value.length - 1; index >= 0; index--)
    if (queue.value[index]?.id === songId) removeSong(index);
}

export function setShuffled(next: boolean): void {
  isShuffled.value = next;
  if (current.value) order.value = next ? shuffled(order.value) : inOrder(order.value);
}

/** Which place of the queue follows; `isByItself` when the song before has ended. */
export function indexAfter(isByItself: boolean): number | null {
  return following(order.value, repeat.value, isByItself);
}

function insertAfterCurrent(songs: readonly Song[]): void {
  order.value = withMore(order.value, songs, position.value + 1);
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
