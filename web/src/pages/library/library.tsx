// Which songs are there? All in an order, or those of an artist or album, searched as one types, and played from here.
import { useRef } from "preact/hooks";
import { useLocation } from "preact-iso";
import { Button } from "../../ui/button";
import { EmptyState, ProblemNote } from "../../ui/notice";
import { deleted } from "./deletions";
import { LibraryFrame } from "./frame";
import { GroupHead, nameWords } from "./group-head";
import { SongList, useListShortcut } from "./song-list";
import { SongSkeleton } from "./song-row";
import { songsOf } from "./songs";
import { countWords, useList } from "./use-list";
import type { ListHandle } from "./virtual-list";
import { address, type Sort, useWish } from "./wish";

const SORT_WORDS: readonly (readonly [Sort, string])[] = [
  ["newest", "Newest first"],
  ["title", "By title"],
  ["artist", "By artist"],
  ["album", "By album"],
];

export default function Library() {
  const { route } = useLocation();
  const { wish, want, isBack } = useWish();
  const { list, items, isStale, isEmpty } = useList(`songs ${address("/", wish)}`, isBack, () => songsOf(wish));
  const handle = useRef<ListHandle>(null);
  useListShortcut(handle);
  const songs = deleted.value.size > 0 ? items.filter((song) => !song || !deleted.value.has(song.id)) : items;
  const isGroup = wish.artist !== null || wish.album !== null;
  const title = isGroup ? nameWords(wish) : "Library";
  return (
    <LibraryFrame
      key={title}
      title={title}
      tab={wish.album !== null ? "/albums" : isGroup ? "/artists" : "/"}
      wish={wish}
      want={want}
      search={isGroup ? `Search in ${title}` : "Title, artist or album"}
      head={isGroup && !isEmpty && <GroupHead wish={wish} list={list} first={songs[0]} />}
      tools={
        !isGroup &&
        !wish.q &&
        !isEmpty && (
          <select
            class="sort"
            aria-label="Order"
            value={wish.sort}
            onChange={(event) => want({ sort: event.currentTarget.value as Sort })}
          >
            {SORT_WORDS.map(([sort, words]) => (
              <option key={sort} value={sort}>
                {words}
              </option>
            ))}
          </select>
        )
      }
      count={isStale || (isEmpty && !wish.q) ? "" : countWords(songs.length, list.isWhole.value, "song")}
      onDown={() => handle.current?.focus(0)}
    >
      <ProblemNote problem={list.problem.value} onRetry={() => list.retry()} />
      {isEmpty && (wish.q || isGroup ? <NothingFits onAll={() => route("/")} /> : <NoSongs />)}
      <div class={isStale ? "is-stale" : ""}>
        {songs.length > 0 && <SongList songs={songs} list={list} handle={handle} />}
      </div>
      {songs.length === 0 && list.isLoading.value && [0, 1, 2, 3, 4, 5, 6].map((row) => <SongSkeleton key={row} />)}
    </LibraryFrame>
  );
}

function NothingFits({ onAll }: { onAll: () => void }) {
  return (
    <EmptyState icon="search" title="Nothing fits">
      <p>No song here has these words in its title, artist or album.</p>
      <Button onClick={onAll}>Show all songs</Button>
    </EmptyState>
  );
}

function NoSongs() {
  return (
    <EmptyState icon="cover" title="No songs yet">
      <p>Songs that you upload, and songs that others share with everybody here, appear in this place.</p>
      <a class="button button-primary" href="/upload">
        Upload songs
      </a>
    </EmptyState>
  );
}
