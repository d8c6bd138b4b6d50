// How can a deletion be taken back? It is sent only when the time for Undo is over, or when the page is left.
import { signal } from "@preact/signals";
import { answer, api } from "../../api/client";
import { asProblem } from "../../api/problems";
import { type Song, songDeleted } from "../../player/store";
import { toast } from "../../ui/toast";

const UNDO_MS = 8000;

/** Songs that are no longer shown; the service still has those whose time is not over. */
export const deleted = signal<ReadonlySet<string>>(new Set());
const waiting = new Map<string, ReturnType<typeof setTimeout>>();

/** Delete a song, and offer to take it back. */
export function deleteSong(song: Song): void {
  deleted.value = new Set(deleted.value).add(song.id);
  waiting.set(
    song.id,
    setTimeout(() => void send(song.id), UNDO_MS),
  );
  toast({
    words: `“${song.title}” is deleted.`,
    action: { words: "Undo", onChoose: () => takeBack(song.id) },
    lifeMs: UNDO_MS,
  });
}

function takeBack(songId: string): void {
  clearTimeout(waiting.get(songId));
  waiting.delete(songId);
  deleted.value = new Set([...deleted.value].filter((each) => each !== songId));
}

async function send(songId: string): Promise<void> {
  clearTimeout(waiting.get(songId));
  waiting.delete(songId);
  songDeleted(songId);
  try {
    // It outlives the page that asks for it.
    await answer(api.DELETE("/v1/songs/{song_id}", { params: { path: { song_id: songId } }, keepalive: true }));
  } catch (error) {
    takeBack(songId);
    toast({ words: `The song could not be deleted. ${asProblem(error).message}` });
  }
}

addEventListener("pagehide", () => {
  for (const songId of [...waiting.keys()]) void send(songId);
});
