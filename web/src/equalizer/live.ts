// What does the equalizer play now? What somebody has set, or the preset that they have chosen for the song that begins.
import { computed, effect, signal } from "@preact/signals";
import { answer, api, type Schemas } from "../api/client";
import { asProblem, type ProblemError } from "../api/problems";
import { setEqualizer } from "../player/graph";
import { current } from "../player/store";
import { isSignedIn } from "../session/session";
import { chain } from "./chain";
import { complete, FLAT, isSame, type Settings } from "./filters";

export type Preset = Schemas["PresetBody"];

/** What is set. */
export const settings = signal<Settings>(FLAT);
/** The preset that it was set from, or null. */
export const origin = signal<Preset | null>(null);
/** Whether somebody has set something that its preset does not say. */
export const isChanged = computed(() => {
  const from = origin.value;
  return !isSame(settings.value, from ? complete(from.settings) : FLAT);
});
/** Whether the original is heard for comparison. */
export const isBypassed = signal(false);
/** The name of the preset that somebody has chosen for this song alone, or null. */
export const ownOfSong = signal<string | null>(null);
/** Why nobody knows which preset this song has, or null. */
export const choiceProblem = signal<ProblemError | null>(null);

const heard = computed(() => (isBypassed.value ? FLAT : settings.value));

/** Set some of it. */
export function set(changes: Partial<Settings>): void {
  settings.value = { ...settings.peek(), ...changes };
}

/** Play a preset. */
export function take(preset: Preset): void {
  origin.value = preset;
  settings.value = complete(preset.settings);
}

/** Take up what is chosen for the song that plays, or for all songs. */
export async function takeChosen(): Promise<void> {
  const song = current.peek();
  choiceProblem.value = null;
  try {
    const choice = await answer(
      song
        ? api.GET("/v1/songs/{song_id}/equalizer", { params: { path: { song_id: song.id } } })
        : api.GET("/v1/equalizer/default"),
    );
    if (current.peek()?.id !== song?.id) return;
    ownOfSong.value = choice.chosen_for === "song" ? choice.preset.name : null;
    // What somebody is trying out goes on, unless the song has a sound of its own.
    if (choice.chosen_for === "song" || !isChanged.peek()) take(choice.preset);
  } catch (error) {
    if (current.peek()?.id === song?.id) choiceProblem.value = asProblem(error);
  }
}

setEqualizer((context) => chain(context, heard));

const songId = computed(() => current.value?.id ?? null);
effect(() => {
  const isHere = isSignedIn.value;
  if (songId.value !== null && isHere) void takeChosen();
  if (!isHere) forget();
});

function forget(): void {
  settings.value = FLAT;
  origin.value = null;
  ownOfSong.value = null;
  isBypassed.value = false;
}
