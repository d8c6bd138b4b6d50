// What does one see of a song in a list, and what can one do with it?
import { Cover } from "../../covers/cover";
import { clock } from "../../player/clock";
import { addToQueue, current, player, playNext, type Song } from "../../player/store";
import { Icon } from "../../ui/icon";
import { Menu, type MenuItem } from "../../ui/menu";
import { Skeleton } from "../../ui/waiting";
import { isEditable } from "./edit-song";
import { statusWords, useStatus } from "./status";
import { address } from "./wish";

export interface SongActions {
  onPlay: () => void;
  onEdit: () => void;
  onShare: () => void;
  onDelete: () => void;
  onChange: (song: Song) => void;
}

export function SongRow({ song, isReached, ...actions }: SongActions & { song: Song; isReached: boolean }) {
  useStatus(song, actions.onChange);
  const isCurrent = current.value?.id === song.id;
  const words = statusWords(song);
  const tabIndex = isReached ? 0 : -1;
  return (
    <div class={`song ${isCurrent ? "song-current" : ""} ${words ? "song-unready" : ""}`}>
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
          <GroupLink
            words={song.artist}
            what="artist"
            tabIndex={tabIndex}
            href={address("/", { artist: song.artist })}
          />
          <GroupLink
            words={song.album}
            what="album"
            tabIndex={tabIndex}
            href={address("/", { album: song.album, artist: song.album_artist })}
          />
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

/** Where the songs of an artist or album are; nothing where nobody knows it. */
function GroupLink(link: { words: string; what: "artist" | "album"; tabIndex: number; href: string }) {
  const { words, what, tabIndex, href } = link;
  if (!words) return <span class={`song-${what}`} />;
  return (
    <a class={`song-${what}`} tabIndex={tabIndex} href={href}>
      {words}
    </a>
  );
}

/** Where a song will be. */
export function SongSkeleton() {
  return (
    <div class="song" aria-hidden="true">
      <span class="song-play">
        <Skeleton width="3rem" height="3rem" />
        <Skeleton width="60%" />
      </span>
      <Skeleton width="70%" />
      <Skeleton width="60%" />
    </div>
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
