// Which songs does somebody look for, and how do they come? Page by page, as far as one scrolls.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { answer, api } from "../../api/client";
import { asProblem, type ProblemError } from "../../api/problems";
import type { Song } from "../../player/store";

export interface Wish {
  q: string;
  artist: string;
  album: string;
  mine: boolean;
}

export interface Songs {
  songs: readonly Song[];
  /** Whether more would come. */
  hasMore: boolean;
  isLoading: boolean;
  /** Whether what is shown answers another wish than the present one. */
  isStale: boolean;
  problem: ProblemError | null;
  loadMore: () => void;
  reload: () => void;
  /** Show a song as it is now. */
  put: (song: Song) => void;
}

const PAGE = 100;

interface Loaded {
  key: string;
  songs: readonly Song[];
  cursor: string | null;
}

/** The songs that fit a wish. A new wish cancels what is under way for the one before, whose songs stay meanwhile. */
export function useSongs(wish: Wish): Songs {
  const [round, setRound] = useState(0);
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [problem, setProblem] = useState<ProblemError | null>(null);
  const [isLoading, setLoading] = useState(true);
  const under = useRef<AbortController | null>(null);
  const key = JSON.stringify([wish.q, wish.artist, wish.album, wish.mine]);

  const load = useCallback(
    async (before: Loaded | null) => {
      under.current?.abort();
      const own = new AbortController();
      under.current = own;
      setLoading(true);
      setProblem(null);
      try {
        const page = await found(key, before?.cursor ?? null, own.signal);
        setLoaded({ key, songs: [...(before?.songs ?? []), ...page.songs], cursor: page.next_cursor ?? null });
      } catch (error) {
        if (own.signal.aborted) return;
        setProblem(asProblem(error));
      }
      if (under.current !== own) return;
      under.current = null;
      setLoading(false);
    },
    [key],
  );
  // biome-ignore lint/correctness/useExhaustiveDependencies: another round asks again.
  useEffect(() => {
    void load(null);
    return () => under.current?.abort();
  }, [load, round]);

  const loadMore = useCallback(() => {
    if (under.current === null && loaded?.cursor && loaded.key === key) void load(loaded);
  }, [load, loaded, key]);
  const put = useCallback(
    (song: Song) =>
      setLoaded((before) =>
        before ? { ...before, songs: before.songs.map((each) => (each.id === song.id ? song : each)) } : null,
      ),
    [],
  );
  return {
    songs: loaded?.songs ?? [],
    hasMore: loaded === null || loaded.cursor !== null,
    isLoading,
    isStale: loaded !== null && loaded.key !== key,
    problem,
    loadMore,
    reload: useCallback(() => setRound((before) => before + 1), []),
    put,
  };
}

function found(key: string, cursor: string | null, signal: AbortSignal) {
  const [q, artist, album, mine] = JSON.parse(key) as [string, string, string, boolean];
  const query = { limit: PAGE, q, artist, album, mine, ...(cursor ? { cursor } : {}) };
  return answer(api.GET("/v1/songs", { params: { query }, signal }));
}
