// What becomes of a song that is not ready yet? Asked for again until its fate is known.
import { useEffect } from "preact/hooks";
import { answer, api } from "../../api/client";
import type { Song } from "../../player/store";

const PAUSE_MS = 2500;
const UNDER_WAY: readonly Song["status"][] = ["uploaded", "fingerprinted"];

/** In words, for songs that cannot be played; null for those that can. */
export function statusWords(song: Song): string | null {
  switch (song.status) {
    case "awaiting_upload":
      return "Waiting for its file";
    case "uploaded":
      return "Being listened to …";
    case "fingerprinted":
      return "Compared with all others …";
    case "duplicate":
      return song.duplicate?.title ? `Already here as “${song.duplicate.title}”` : "Already known here";
    case "rejected":
      return song.rejection?.reason ? `Refused: ${song.rejection.reason}` : "Refused";
    default:
      return null;
  }
}

/** Follow a song while it is under way. */
export function useStatus(song: Song, onChange: (song: Song) => void): void {
  const isUnderWay = UNDER_WAY.includes(song.status);
  const { id, status } = song;
  useEffect(() => {
    if (!isUnderWay) return;
    const ends = new AbortController();
    const timer = setInterval(async () => {
      const now = await answer(
        api.GET("/v1/songs/{song_id}", { params: { path: { song_id: id } }, signal: ends.signal }),
      ).catch(() => null);
      if (now && now.status !== status) onChange(now);
    }, PAUSE_MS);
    return () => {
      clearInterval(timer);
      ends.abort();
    };
  }, [id, status, isUnderWay, onChange]);
}
