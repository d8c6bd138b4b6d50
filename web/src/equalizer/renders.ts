// Which files has somebody had made of songs in this browser, and how far are they?
import { effect, signal } from "@preact/signals";
import { answer, api, type Schemas } from "../api/client";
import { events } from "../api/events";
import { asProblem, type ProblemError } from "../api/problems";
import { account, isSignedIn } from "../session/session";
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

/** So many are found again after a reload. */
const KEPT = 20;
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
  remember();
  if (!isOver(render)) void follow(render);
}

/** Get back what was asked for before the page was opened, as far as the service still has it. */
export async function recall(): Promise<void> {
  const kept: [string, string][] = JSON.parse(localStorage.getItem(place()) ?? "[]");
  const isHere = (id: string) => made.peek().some(({ render }) => render.id === id);
  const found = await Promise.all(kept.filter(([, id]) => !isHere(id)).map(([song, id]) => still(song, id)));
  const back = found.filter((one) => one !== null && !isHere(one.render.id)) as Made[];
  made.value = [...made.peek(), ...back];
  for (const { render } of back) if (!isOver(render)) void follow(render);
}

async function still(song_id: string, render_id: string): Promise<Made | null> {
  try {
    const [song, render] = await Promise.all([
      answer(api.GET("/v1/songs/{song_id}", { params: { path: { song_id } } })),
      answer(api.GET("/v1/songs/{song_id}/renders/{render_id}", { params: { path: { song_id, render_id } } })),
    ]);
    return { song, render, problem: null };
  } catch {
    return null; // gone after its week, or with the song
  }
}

function remember(): void {
  const kept = made.peek().slice(0, KEPT);
  localStorage.setItem(place(), JSON.stringify(kept.map(({ render }) => [render.song_id, render.id])));
}

function place(): string {
  return `tunescout.renders.${account.peek()?.user_id}`;
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
