// What becomes of a song when its bytes are there? Followed step by step, a few songs at once.
import { events, type ServerEvent } from "../api/events";
import { Turns } from "./turns";
import type { PackageStatus, Song, Upload } from "./upload";

const turns = new Turns(2);
/** How long one song may hold up the others; those with a long way come again. */
const TURN_MS = 15_000;
const SHORT_PAUSE_MS = 1000;

/** Follow a song until its fate is known. Throws a `ProblemError` where it is gone. */
export async function followSong(upload: Upload, songId: string, signal: AbortSignal): Promise<void> {
  await follow(`/v1/songs/${songId}/events`, signal, true, ({ data }) => {
    upload.song.value = data as Song;
    upload.toldAt.value = Date.now();
    return isFate(data as Song);
  });
}

/** Follow a ready song until it is packaged for streaming, or turns out not to be packageable. */
export async function followPackage(upload: Upload, songId: string, signal: AbortSignal): Promise<void> {
  await follow(`/v1/songs/${songId}/package/events`, signal, false, ({ data }) => {
    upload.packaged.value = data as PackageStatus;
    return upload.packaged.value.status !== "waiting";
  });
}

export function isFate(song: Song | null): boolean {
  return song !== null && ["ready", "duplicate", "rejected", "deleted"].includes(song.status);
}

async function follow(
  path: string,
  signal: AbortSignal,
  isUrgent: boolean,
  onEvent: (event: ServerEvent) => boolean,
): Promise<void> {
  while (!signal.aborted) {
    const endTurn = await turns.take(isUrgent);
    try {
      const turn = AbortSignal.any([signal, AbortSignal.timeout(TURN_MS)]);
      for await (const event of events(path, turn)) if (onEvent(event)) return;
    } finally {
      endTurn();
    }
    await new Promise((resolve) => setTimeout(resolve, SHORT_PAUSE_MS));
  }
}
