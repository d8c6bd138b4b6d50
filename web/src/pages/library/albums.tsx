// Which albums are there?
import { answer, api } from "../../api/client";
import { nameWords } from "./group-head";
import { Groups } from "./groups";
import { PAGE } from "./long-list";
import { address } from "./wish";

export default function Albums() {
  return (
    <Groups
      tab="/albums"
      one="album"
      source={({ q, mine }) => ({
        page: async (cursor, signal) => {
          const query = { q, mine, limit: PAGE, ...(cursor && { cursor }) };
          const { albums, next_cursor } = await answer(api.GET("/v1/albums", { params: { query }, signal }));
          return { items: albums, next: next_cursor };
        },
      })}
      card={({ name, artist }, { mine }) => ({
        words: nameWords({ artist, album: name }),
        note: artist || "Unknown artist",
        href: address("/", { album: name, artist, mine }),
      })}
    />
  );
}
