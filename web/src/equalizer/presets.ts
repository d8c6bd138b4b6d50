// Which presets are there, and what if another device has changed one meanwhile? Then nothing is written before somebody
// has seen both and decided.
import { effect, signal } from "@preact/signals";
import { answer, api } from "../api/client";
import { problemOf } from "../api/problems";
import { current } from "../player/store";
import { isSignedIn } from "../session/session";
import { complete, type Settings } from "./filters";
import { origin, ownOfSong, type Preset, settings, take } from "./live";

/** All that somebody can choose, the built-in ones first; null until they have come. */
export const presets = signal<readonly Preset[] | null>(null);
/** The name of the one for songs that have none of their own. */
export const defaultName = signal("flat");

/** What is there now in place of what somebody had seen; `preset` is null where it was removed. */
export interface Conflict {
  readonly name: string;
  readonly preset: Preset | null;
}

export async function loadPresets(): Promise<void> {
  const found = await answer(api.GET("/v1/equalizer/presets"));
  presets.value = found.presets;
  defaultName.value = found.default;
}

/**
 * Keep what is set now under a name. `seen` is the version that it takes the place of, or null for a new one.
 * Returns what is in the way, or null when it is kept.
 */
export async function save(name: string, seen: Preset | null): Promise<Conflict | null> {
  const wanted: Settings = settings.peek();
  const header = seen ? { "if-match": seen.etag } : { "if-none-match": "*" as const };
  const { data, error, response } = await api.PUT("/v1/equalizer/presets/{name}", {
    params: { path: { name }, header },
    body: wanted,
  });
  if (response.status === 412) return conflict(name, error);
  if (!data) throw problemOf(response, error);
  origin.value = data;
  await loadPresets();
  return null;
}

/** Remove the version that somebody has seen. Returns what is there instead, or null when it is gone. */
export async function remove(seen: Preset): Promise<Conflict | null> {
  const { error, response } = await api.DELETE("/v1/equalizer/presets/{name}", {
    params: { path: { name: seen.name }, header: { "if-match": seen.etag } },
  });
  if (response.status === 412) return conflict(seen.name, error);
  if (!response.ok && response.status !== 404) throw problemOf(response, error);
  await loadPresets();
  const flat = presets.peek()?.[0];
  if (origin.peek()?.name === seen.name && flat) take(flat);
  return null;
}

function conflict(name: string, error: unknown): Conflict {
  const { current: preset } = error as { current?: Preset | null };
  return { name, preset: preset ?? null };
}

/** Take what another device has made of a preset. */
export async function takeOther({ preset }: Conflict): Promise<void> {
  if (preset) take(preset);
  await loadPresets();
}

/** Let a preset play all songs that have none of their own. */
export async function useForAll({ name }: Preset): Promise<void> {
  await answer(api.PUT("/v1/equalizer/default", { body: { preset: name } }));
  defaultName.value = name;
}

/** Let a preset play this song, or none of its own. */
export async function useForSong(songId: string, preset: Preset | null): Promise<void> {
  const params = { path: { song_id: songId } };
  if (preset) await answer(api.PUT("/v1/songs/{song_id}/equalizer", { params, body: { preset: preset.name } }));
  else await answer(api.DELETE("/v1/songs/{song_id}/equalizer", { params }));
  if (current.peek()?.id === songId) ownOfSong.value = preset?.name ?? null;
}

/** What the preset says that a conflict is about. */
export function otherSettings({ preset }: Conflict): Settings | null {
  return preset && complete(preset.settings);
}

effect(() => {
  if (isSignedIn.value) return;
  presets.value = null;
  defaultName.value = "flat";
});
