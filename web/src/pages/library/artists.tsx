// Which artists are there?
import { answer, api } from "../../api/client";
import { nameWords } from "./group-head";
import { Groups } from "./groups";
import { PAGE } from "./long-list";
import { address } from "./wish";

export default function Artists() {
  return (
    <Groups
      tab="/artists"
      one="artist"
      source={({ q, mine }) => ({
        page: async (cursor, signal) => {
          const query = { q, mine, limit: PAGE, ...(cursor && { cursor }) };
          const { artists, next_cursor } = await answer(api.GET("/v1/artists", { params: { query }, signal }));
          return { items: artists, next: next_cursor };
        },
      })}
      card={({ name }, { mine }) => ({
        words: nameWords({ artist: name, album: null }),
        href: address("/", { artist: name, mine }),
      })}
    />
  );
}
