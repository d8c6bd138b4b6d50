// What is always at hand while music plays? The bar at the bottom, its keys, and on phones a sheet with everything.
import { useEffect, useState } from "preact/hooks";
import { Cover } from "../covers/cover";
import { useShortcut } from "../shell/shortcuts";
import { Button, IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { OrderButtons, PlayButton, Transport, Volume } from "./controls";
import { followMediaSession } from "./media-session";
import { Panel } from "./panel";
import { QueueList } from "./queue-list";
import { SeekBar } from "./seek-bar";
import { Sheet } from "./sheet";
import { SoundSettings } from "./sound-settings";
import { current, indexAfter, next, player, previous, type Song } from "./store";
import "./bar.css";

const STEP_S = 5;
const VOLUME_STEP = 0.05;

export function Bar() {
  const [isSheetOpen, setSheetOpen] = useState(false);
  useEffect(followMediaSession, []);
  useEffect(() => {
    document.documentElement.classList.add("has-player");
    return () => document.documentElement.classList.remove("has-player");
  }, []);
  useKeys();
  const song = current.value;
  if (!song) return null;
  const share = player.duration_s.value > 0 ? player.time_s.value / player.duration_s.value : 0;
  return (
    <>
      <section class="player" aria-label="Player">
        <span class="player-progress" style={{ transform: `scaleX(${share})` }} aria-hidden="true" />
        <NowPlaying song={song} onOpen={() => setSheetOpen(true)} />
        <div class="player-center">
          <Transport />
          {player.problem.value ? <Trouble /> : <SeekBar song={song} />}
        </div>
        <div class="player-tools">
          <OrderButtons />
          <Panel icon="queue" label="Queue">
            <QueueList />
          </Panel>
          <Panel icon="tune" label="Sound">
            <SoundSettings />
          </Panel>
          <Volume />
        </div>
        <div class="player-compact">
          {player.problem.value && (
            <Button look="quiet" onClick={player.play}>
              Try again
            </Button>
          )}
          <PlayButton />
          <IconButton icon="next" label="Next song" onClick={next} />
        </div>
      </section>
      {isSheetOpen && (
        <Sheet song={song} onClose={() => setSheetOpen(false)}>
          {player.problem.value && <Trouble />}
        </Sheet>
      )}
    </>
  );
}

function NowPlaying({ song, onOpen }: { song: Song; onOpen: () => void }) {
  return (
    <div class="now-playing">
      <Cover song={song} class="now-playing-cover" />
      <span class="song-words">
        <strong>{song.title}</strong>
        <span>{song.artist || "Unknown artist"}</span>
      </span>
      <button type="button" class="now-playing-open" aria-label="Open the player" onClick={onOpen} />
    </div>
  );
}

/** What stopped the music, and the ways out. */
function Trouble() {
  return (
    <div class="player-trouble" role="alert">
      <Icon name="alert" size={20} />
      <p>{player.problem.value?.message}</p>
      <Button look="quiet" onClick={player.play}>
        Try again
      </Button>
      {indexAfter(false) !== null && (
        <Button look="quiet" onClick={next}>
          Next song
        </Button>
      )}
    </div>
  );
}

function useKeys(): void {
  useShortcut({ key: " ", words: "Play or pause" }, player.toggle);
  useShortcut({ key: "ArrowLeft", words: "5 seconds back" }, () => player.seek(player.time_s.value - STEP_S));
  useShortcut({ key: "ArrowRight", words: "5 seconds on" }, () => player.seek(player.time_s.value + STEP_S));
  useShortcut({ key: "ArrowUp", words: "Louder" }, () => player.setVolume(player.volume.value + VOLUME_STEP));
  useShortcut({ key: "ArrowDown", words: "Quieter" }, () => player.setVolume(player.volume.value - VOLUME_STEP));
  useShortcut({ key: "m", words: "Mute" }, () => player.setMuted(!player.isMuted.value));
  useShortcut({ key: "n", words: "Next song" }, next);
  useShortcut({ key: "p", words: "Previous song" }, previous);
}
