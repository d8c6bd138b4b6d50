// Which songs are there? Searched as one types, narrowed by artist and album, and played from here.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { asProblem } from "../../api/problems";
import { playSongs, type Song, songChanged } from "../../player/store";
import { Page } from "../../shell/page";
import { useShortcut } from "../../shell/shortcuts";
import { Button } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { EmptyState, ProblemNote } from "../../ui/notice";
import { Segmented } from "../../ui/segmented";
import { toast } from "../../ui/toast";
import { Skeleton } from "../../ui/waiting";
import { deleted, deleteSong } from "./deletions";
import { EditSong, editSong, isEditable } from "./edit-song";
import { SongRow } from "./song-row";
import { useSongs, type Wish } from "./songs";
import { reveal, VirtualList } from "./virtual-list";
import "./library.css";

const ROW_PX = 64;
const TYPED_MS = 180;

export default function Library() {
  const { query, route } = useLocation();
  const wish: Wish = {
    q: query.q ?? "",
    artist: query.artist ?? "",
    album: query.album ?? "",
    mine: query.mine === "1",
  };
  const found = useSongs(wish);
  const narrow = (change: Partial<Wish>, isTyping = false) => route(address({ ...wish, ...change }), isTyping);
  const songs = found.songs.filter((song) => !deleted.value.has(song.id));
  const isFiltered = Boolean(wish.q || wish.artist || wish.album || wish.mine);
  const hasNone = songs.length === 0 && !found.isLoading && !found.problem;
  return (
    <Page
      title="Library"
      actions={
        <Segmented
          label="Whose songs"
          options={[
            ["all", "All"],
            ["mine", "Mine"],
          ]}
          value={wish.mine ? "mine" : "all"}
          onValue={(whose) => narrow({ mine: whose === "mine" })}
        />
      }
    >
      <Search q={wish.q} onSearch={(q) => narrow({ q }, true)} />
      {(wish.artist || wish.album) && (
        <p class="row chips">
          {wish.artist && <Chip what="Artist" words={wish.artist} onRemove={() => narrow({ artist: "" })} />}
          {wish.album && <Chip what="Album" words={wish.album} onRemove={() => narrow({ album: "" })} />}
          {songs.length > 0 && (
            <Button icon="play" look="quiet" onClick={() => playSongs(songs)}>
              Play all
            </Button>
          )}
        </p>
      )}
      <ProblemNote problem={found.problem} onRetry={found.reload} />
      <p class="visually-hidden" role="status">
        {found.isLoading ? "" : `${songs.length}${found.hasMore ? " or more" : ""} songs`}
      </p>
      {hasNone && !isFiltered && <NoSongs />}
      {hasNone && isFiltered && (
        <EmptyState icon="search" title="Nothing fits">
          <p>No song has these words in its title, artist or album.</p>
          <Button onClick={() => route("/")}>Show all songs</Button>
        </EmptyState>
      )}
      <div class={found.isStale ? "is-stale" : ""}>
        {songs.length > 0 && (
          <SongList songs={songs} onNearEnd={found.loadMore} onChange={found.put} onNarrow={narrow} />
        )}
      </div>
      {found.isLoading && (songs.length === 0 || found.hasMore) && (
        <div aria-hidden="true">
          {(songs.length === 0 ? [0, 1, 2, 3, 4, 5, 6] : [0, 1]).map((row) => (
            <SongSkeleton key={row} />
          ))}
        </div>
      )}
    </Page>
  );
}

function SongList({
  songs,
  onNearEnd,
  onChange,
  onNarrow,
}: {
  songs: readonly Song[];
  onNearEnd: () => void;
  onChange: (song: Song) => void;
  onNarrow: (change: Partial<Wish>) => void;
}) {
  const list = useRef<HTMLDivElement>(null);
  const [reached, setReached] = useState(0);
  const [edited, setEdited] = useState<Song | null>(null);
  const at = Math.min(reached, songs.length - 1);
  const focus = (index: number) => {
    const ul = list.current?.firstElementChild;
    if (!ul || index < 0 || index >= songs.length) return;
    setReached(index);
    reveal(ul, index, ROW_PX);
    requestAnimationFrame(() =>
      ul.querySelector<HTMLElement>(`[aria-posinset="${index + 1}"] .song-play`)?.focus({ preventScroll: true }),
    );
  };
  const changed = useCallback(
    (song: Song) => {
      onChange(song);
      songChanged(song);
    },
    [onChange],
  );
  const share = async (song: Song) => {
    const visibility = song.visibility === "shared" ? "private" : "shared";
    try {
      changed(await editSong(song, { visibility }));
      toast({ words: visibility === "shared" ? "Everybody here hears it now." : "Only you hear it now." });
    } catch (error) {
      toast({ words: asProblem(error).message });
    }
  };
  const remove = (index: number) => {
    const song = songs[index];
    if (!song || !isEditable(song)) return;
    deleteSong(song);
    // The next song takes the place of this one, and the focus with it.
    requestAnimationFrame(() => focus(Math.min(index, songs.length - 2)));
  };
  const edit = (song: Song | undefined) => song?.status === "ready" && isEditable(song) && setEdited(song);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || edited) return;
    const page = Math.max(1, Math.floor(innerHeight / ROW_PX) - 3);
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: Math.min(at + page, songs.length - 1),
      PageUp: Math.max(at - page, 0),
      Home: 0,
      End: songs.length - 1,
    }[event.key];
    if (to !== undefined) focus(to);
    else if (event.key === "e") edit(songs[at]);
    else if (event.key === "Delete") remove(at);
    else return;
    event.preventDefault();
  };
  useShortcut({ key: "j", words: "Go to the list of songs" }, () => focus(at));
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: keys move between the buttons inside.
    <div ref={list} onKeyDown={onKeyDown}>
      <VirtualList
        label="Songs"
        count={songs.length}
        rowHeight_px={ROW_PX}
        keep={at}
        onNearEnd={onNearEnd}
        row={(index) => {
          const song = songs[index];
          if (!song) return null;
          return (
            <SongRow
              key={song.id}
              song={song}
              isReached={index === at}
              onFocus={() => setReached(index)}
              onPlay={() => song.status === "ready" && playFrom(songs, song)}
              onEdit={() => edit(song)}
              onShare={() => void share(song)}
              onDelete={() => remove(index)}
              onChange={changed}
              onArtist={() => onNarrow({ artist: song.artist })}
              onAlbum={() => onNarrow({ album: song.album })}
            />
          );
        }}
      />
      {edited && <EditSong song={edited} onSaved={changed} onClose={() => setEdited(null)} />}
    </div>
  );
}

/** Play a song; those after it in the list follow, those before it can be gone back to. */
function playFrom(songs: readonly Song[], song: Song): void {
  playSongs(songs, songs.indexOf(song));
}

function Search({ q, onSearch }: { q: string; onSearch: (q: string) => void }) {
  const [typed, setTyped] = useState(q);
  const input = useRef<HTMLInputElement>(null);
  const latest = useRef(onSearch);
  latest.current = onSearch;
  useShortcut({ key: "/", words: "Search" }, () => {
    input.current?.focus();
    input.current?.select();
  });
  // What comes by a link or by going back is shown; what is being typed is not overwritten by its own echo.
  useEffect(() => {
    setTyped((now) => (now.trim() === q ? now : q));
  }, [q]);
  useEffect(() => {
    if (typed.trim() === q) return;
    const timer = setTimeout(() => latest.current(typed.trim()), TYPED_MS);
    return () => clearTimeout(timer);
  }, [typed, q]);
  return (
    <search class="search">
      <Icon name="search" />
      <input
        ref={input}
        type="search"
        aria-label="Search songs"
        placeholder="Title, artist or album"
        autocomplete="off"
        enterkeyhint="search"
        value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && (typed ? setTyped("") : input.current?.blur())}
      />
      <span class="search-key only-with-keyboard" aria-hidden="true">
        /
      </span>
    </search>
  );
}

function Chip({ what, words, onRemove }: { what: string; words: string; onRemove: () => void }) {
  return (
    <button type="button" class="chip" aria-label={`${what} ${words}: show all again`} onClick={onRemove}>
      <span class="soft">{what}</span> {words} <Icon name="close" size={16} />
    </button>
  );
}

function NoSongs() {
  return (
    <EmptyState icon="cover" title="No songs yet">
      <p>Songs that you upload, and songs that others share with everybody here, appear in this place.</p>
    </EmptyState>
  );
}

function SongSkeleton() {
  return (
    <div class="song">
      <span class="song-play">
        <Skeleton width="3rem" height="3rem" />
        <Skeleton width="60%" />
      </span>
      <Skeleton width="70%" />
      <Skeleton width="60%" />
    </div>
  );
}

function address({ q, artist, album, mine }: Wish): string {
  const given = Object.entries({ q, artist, album, mine: mine ? "1" : "" }).filter(([, value]) => value);
  return given.length > 0 ? `/?${new URLSearchParams(given)}` : "/";
}
