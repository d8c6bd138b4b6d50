// What of the library does somebody want to see? It stands in the address, so that it can be shared and gone back to.
import { useLocation } from "preact-iso";

const SORTS = ["newest", "title", "artist", "album"] as const;
export type Sort = (typeof SORTS)[number];

/** Where the tabs of the library are. */
export const TABS = [
  ["/", "Songs"],
  ["/artists", "Artists"],
  ["/albums", "Albums"],
] as const;
export type Tab = (typeof TABS)[number][0];

export interface Wish {
  q: string;
  /** Whose songs, or with an album whose album; null for all, empty for those of which nobody knows. */
  artist: string | null;
  album: string | null;
  mine: boolean;
  sort: Sort;
}

/** Where the order is kept that somebody chose last. */
const CHOSEN = "library-sort";

/** What the present address asks for, and how to ask for something else. */
export function useWish(): { wish: Wish; want: (change: Partial<Wish>, isTyping?: boolean) => void; isBack: boolean } {
  const location = useLocation();
  const { path, query, route } = location;
  const wish: Wish = {
    q: query.q ?? "",
    artist: query.artist ?? null,
    album: query.album ?? null,
    mine: query.mine === "1",
    sort: sortOf(query.sort) ?? sortOf(localStorage.getItem(CHOSEN)) ?? "newest",
  };
  return {
    wish,
    want: (change, isTyping = false) => {
      if (change.sort) localStorage.setItem(CHOSEN, change.sort);
      route(address(path, { ...wish, sort: sortOf(query.sort), ...change }), isTyping);
    },
    // Preact-iso knows it and does not tell.
    isBack: !(location as typeof location & { wasPush: boolean }).wasPush,
  };
}

/** The address of what somebody wishes; what goes without saying is left out. */
export function address(
  path: string,
  { q, artist, album, mine, sort }: Partial<Omit<Wish, "sort">> & { sort?: Sort | null },
): string {
  const query = new URLSearchParams({
    ...(q && { q }),
    ...(artist != null && { artist }),
    ...(album != null && { album }),
    ...(mine && { mine: "1" }),
    ...(sort && { sort }),
  }).toString();
  return query ? `${path}?${query}` : path;
}

function sortOf(text: string | null | undefined): Sort | null {
  return SORTS.find((sort) => sort === text) ?? null;
}
