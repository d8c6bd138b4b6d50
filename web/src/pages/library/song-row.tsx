// What does one see of a song in a list, and what can one do with it?
import { Cover } from "../../covers/cover";
import { clock } from "../../player/clock";
import { addToQueue, current, player, playNext, type Song } from "../../player/store";
import { Icon } from "../../ui/icon";
import { Menu, type MenuItem } from "../../ui/menu";
import { isEditable } from "./edit-song";
import { statusWords, useStatus } from "./status";

export interface SongActions {
  onPlay: () => void;
  onEdit: () => void;
  onShare: () => void;
  onDelete: () => void;
  onFocus: () => void;
  onChange: (song: Song) => void;
  /** Show only songs of an artist, or of an album. */
  onArtist: () => void;
  onAlbum: () => void;
}

/** `isReached`: whether Tab comes here; of a whole list it comes to one row, and arrows go to the others. */
export function SongRow({ song, isReached, ...actions }: SongActions & { song: Song; isReached: boolean }) {
  useStatus(song, actions.onChange);
  const isCurrent = current.value?.id === song.id;
  const words = statusWords(song);
  const tabIndex = isReached ? 0 : -1;
  return (
    <div class={`song ${isCurrent ? "song-current" : ""} ${words ? "song-unready" : ""}`} onFocusIn={actions.onFocus}>
      <button
        type="button"
        class="song-play"
        tabIndex={tabIndex}
        aria-label={words ? `${song.title}: ${words}` : `Play ${song.title}${song.artist ? ` by ${song.artist}` : ""}`}
        aria-current={isCurrent || undefined}
        aria-disabled={words !== null || undefined}
        onClick={() => (isCurrent ? player.toggle() : actions.onPlay())}
      >
        <span class="song-picture">
          <Cover song={song} />
          {!words && (
            <span class="song-sign">
              <Icon name={isCurrent && player.isPlaying.value ? "pause" : "play"} />
            </span>
          )}
        </span>
        <strong>{song.title}</strong>
      </button>
      {words ? (
        <span class="song-status">{words}</span>
      ) : (
        <>
          <Narrowing words={song.artist} what="artist" tabIndex={tabIndex} onChoose={actions.onArtist} />
          <Narrowing words={song.album} what="album" tabIndex={tabIndex} onChoose={actions.onAlbum} />
        </>
      )}
      <span class="song-shared">
        {song.visibility === "shared" && (
          <>
            <Icon name="people" size={18} />
            <span class="visually-hidden">Shared with everybody here</span>
          </>
        )}
      </span>
      <span class="song-length">{song.duration_s !== null && clock(song.duration_s)}</span>
      <Menu label={`More for ${song.title}`} items={choices(song, actions, words === null)} />
    </div>
  );
}

function Narrowing({
  words,
  what,
  tabIndex,
  onChoose,
}: {
  words: string;
  what: "artist" | "album";
  tabIndex: number;
  onChoose: () => void;
}) {
  if (!words) return <span class={`song-${what} soft`}>{what === "artist" ? "Unknown artist" : ""}</span>;
  return (
    <button type="button" class={`song-${what}`} tabIndex={tabIndex} title={`Only this ${what}`} onClick={onChoose}>
      {words}
    </button>
  );
}

function choices(song: Song, actions: SongActions, isReady: boolean): MenuItem[] {
  const items: MenuItem[] = [];
  if (isReady)
    items.push(
      { words: "Play next", icon: "next", onChoose: () => playNext([song]) },
      { words: "Add to the queue", icon: "queue", onChoose: () => addToQueue([song]) },
    );
  if (isEditable(song)) {
    if (isReady)
      items.push(
        { words: "Edit …", icon: "edit", onChoose: actions.onEdit },
        song.visibility === "shared"
          ? { words: "Make private", icon: "lock", onChoose: actions.onShare }
          : { words: "Share with everybody here", icon: "people", onChoose: actions.onShare },
      );
    items.push({ words: "Delete", icon: "trash", isDangerous: true, onChoose: actions.onDelete });
  }
  return items;
}
