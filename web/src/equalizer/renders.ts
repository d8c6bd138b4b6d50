// Which files has somebody had made of songs since this page was opened, and how far are they?
import { effect, signal } from "@preact/signals";
import { answer, api, type Schemas } from "../api/client";
import { events } from "../api/events";
import { asProblem, type ProblemError } from "../api/problems";
import { isSignedIn } from "../session/session";
import type { Settings } from "./filters";

export type Render = Schemas["RenderBody"];
export type Format = Render["format"];
export type BitDepth = Render["bit_depth"];

export interface Made {
  readonly render: Render;
  readonly song: Schemas["SongBody"];
  /** Why it is no longer followed, or null. */
  readonly problem: ProblemError | null;
}

/** The last one first. */
export const made = signal<readonly Made[]>([]);

const followed = new Map<string, AbortController>();

/** Have a file made of a song as the equalizer plays it, and follow it. */
export async function make(
  song: Schemas["SongBody"],
  settings: Settings,
  format: Format,
  bit_depth: BitDepth,
): Promise<void> {
  const params = { path: { song_id: song.id } };
  const render = await answer(
    api.POST("/v1/songs/{song_id}/renders", { params, body: { settings, format, bit_depth } }),
  );
  made.value = [{ song, render, problem: null }, ...made.peek().filter((one) => one.render.id !== render.id)];
  if (!isOver(render)) void follow(render);
}

/** What is known of a render now, with a fresh address of its file. */
export async function again(render: Render): Promise<Render> {
  const path = { song_id: render.song_id, render_id: render.id };
  const found = await answer(api.GET("/v1/songs/{song_id}/renders/{render_id}", { params: { path } }));
  change(found.id, { render: found });
  return found;
}

/** The picture of what it did to the song. */
export async function picture(render: Render): Promise<string> {
  const path = { song_id: render.song_id, render_id: render.id };
  return await answer(
    api.GET("/v1/songs/{song_id}/renders/{render_id}/picture.svg", { params: { path }, parseAs: "text" }),
  );
}

/** Go on following one that was lost. */
export async function follow(render: Render): Promise<void> {
  followed.get(render.id)?.abort();
  const end = new AbortController();
  followed.set(render.id, end);
  change(render.id, { problem: null });
  try {
    const path = `/v1/songs/${render.song_id}/renders/${render.id}/events`;
    for await (const { data } of events(path, end.signal, (event) => isOver(event.data as Render)))
      change(render.id, { render: data as Render });
  } catch (error) {
    change(render.id, { problem: asProblem(error) });
  }
}

function isOver({ status }: Render): boolean {
  return status === "ready" || status === "failed";
}

function change(id: string, changes: Partial<Made>): void {
  made.value = made.peek().map((one) => (one.render.id === id ? { ...one, ...changes } : one));
}

effect(() => {
  if (isSignedIn.value) return;
  for (const end of followed.values()) end.abort();
  followed.clear();
  made.value = [];
});
