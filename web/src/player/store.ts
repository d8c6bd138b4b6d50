// What is played, and what comes next? Everybody may put songs here; the player bar plays them.
import { computed, signal } from "@preact/signals";
import type { Schemas } from "../api/client";

export type Song = Schemas["SongBody"];

/** What is played, in order. */
export const queue = signal<readonly Song[]>([]);
/** Where in the queue we are; -1 where nothing is played. */
export const position = signal(-1);
export const current = computed<Song | null>(() => queue.value[position.value] ?? null);

/** Play these songs, beginning with one of them. */
export function playSongs(songs: readonly Song[], first = 0): void {
  queue.value = songs;
  position.value = first;
}
