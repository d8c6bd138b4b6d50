// Which songs does a wish mean, and where do they come from?
import { answer, api } from "../../api/client";
import type { Song } from "../../player/store";
import { PAGE, type Source } from "./long-list";
import type { Wish } from "./wish";

/** The songs of a wish; those found by words are not counted beforehand. */
export function songsOf({ q, artist, album, mine, sort }: Wish): Source<Song> {
  const group = { mine, ...(artist !== null && { artist }), ...(album !== null && { album }), sort };
  return {
    page: async (cursor, signal) => {
      const query = { ...group, limit: PAGE, ...(q && { q }), ...(cursor && { cursor }) };
      const { songs, next_cursor } = await answer(api.GET("/v1/songs", { params: { query }, signal }));
      return { items: songs, next: next_cursor };
    },
    ...(!q && {
      parts: async (signal) => {
        let count = 0;
        let cursor: string | null = null;
        const cursors: string[] = [];
        do {
          const query: typeof group & { cursor?: string } = { ...group, ...(cursor && { cursor }) };
          const part = await answer(api.GET("/v1/songs/parts", { params: { query }, signal }));
          count += part.songs;
          cursors.push(...part.cursors);
          cursor = part.next_cursor;
        } while (cursor !== null);
        return { count, cursors };
      },
    }),
  };
}
