// What can one do with the songs of a list? Play from any of them, edit, share, delete, all by keys too.
import type { RefObject } from "preact";
import { useCallback, useState } from "preact/hooks";
import { asProblem } from "../../api/problems";
import { playSongs, type Song, songChanged } from "../../player/store";
import { useShortcut } from "../../shell/shortcuts";
import { toast } from "../../ui/toast";
import { deleted, deleteSong } from "./deletions";
import { EditSong, editSong, isEditable } from "./edit-song";
import type { LongList } from "./long-list";
import { SongRow, SongSkeleton } from "./song-row";
import { type ListHandle, VirtualList } from "./virtual-list";

const ROW_PX = 64;
/** So many songs before and after the one that is played come into the queue. */
const QUEUED = [100, 400] as const;

interface SongListProps {
  /** Undefined are songs that have not come yet. */
  songs: readonly (Song | undefined)[];
  list: LongList<Song>;
  handle: RefObject<ListHandle | null>;
}

export function SongList({ songs, list, handle }: SongListProps) {
  const [edited, setEdited] = useState<Song | null>(null);
  const changed = useCallback(
    (song: Song) => {
      list.change((each) => (each.id === song.id ? song : each));
      songChanged(song);
    },
    [list],
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
  const remove = (song: Song, index: number) => {
    if (!isEditable(song)) return;
    deleteSong(song);
    // The next song takes the place of this one, and the focus with it.
    requestAnimationFrame(() => handle.current?.focus(Math.min(index, songs.length - 2)));
  };
  const edit = (song: Song) => song.status === "ready" && isEditable(song) && setEdited(song);
  const onKey = (event: KeyboardEvent, index: number) => {
    const song = songs[index];
    if (!song || edited) return;
    if (event.key === "e") edit(song);
    else if (event.key === "Delete") remove(song, index);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <VirtualList
        label="Songs"
        count={songs.length}
        height_px={ROW_PX}
        handle={handle}
        onSight={(first, last) => list.want(first, last + deleted.value.size)}
        onKey={onKey}
        item={(index, isReached) => {
          const song = songs[index];
          if (!song) return <SongSkeleton />;
          return (
            <SongRow
              key={song.id}
              song={song}
              isReached={isReached}
              onPlay={() => song.status === "ready" && playFrom(songs, index)}
              onEdit={() => edit(song)}
              onShare={() => void share(song)}
              onDelete={() => remove(song, index)}
              onChange={changed}
            />
          );
        }}
      />
      {edited && <EditSong song={edited} onSaved={changed} onClose={() => setEdited(null)} />}
    </>
  );
}

/** Play a song; those after it in the list follow, those before it can be gone back to. */
function playFrom(songs: readonly (Song | undefined)[], index: number): void {
  const first = Math.max(0, index - QUEUED[0]);
  const around = songs.slice(first, index + QUEUED[1]);
  const before = around.slice(0, index - first).filter((song) => song !== undefined);
  playSongs([...before, ...around.slice(index - first).filter((song) => song !== undefined)], before.length);
}

/** Keys that lead to a list. */
export function useListShortcut(handle: RefObject<ListHandle | null>): void {
  useShortcut({ key: "j", words: "Go to the list" }, () => handle.current?.focus(0));
}
