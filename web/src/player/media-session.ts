// What do lock screens, headphones and media keys see and do?
import { effect } from "@preact/signals";
import { cover } from "../covers/covers";
import { clearQueue, current, next, player, previous, type Song } from "./store";

const STEP_S = 10;

/** Keep the browser's media session in step with the player. Returns how to stop. */
export function followMediaSession(): () => void {
  const session = navigator.mediaSession;
  if (!session) return () => undefined;
  const actions: Partial<Record<MediaSessionAction, (details: MediaSessionActionDetails) => void>> = {
    play: player.play,
    pause: player.pause,
    stop: clearQueue,
    nexttrack: next,
    previoustrack: previous,
    seekbackward: ({ seekOffset }) => player.seek(player.time_s.value - (seekOffset ?? STEP_S)),
    seekforward: ({ seekOffset }) => player.seek(player.time_s.value + (seekOffset ?? STEP_S)),
    seekto: ({ seekTime }) => seekTime !== undefined && player.seek(seekTime),
  };
  for (const [action, act] of Object.entries(actions)) handle(session, action as MediaSessionAction, act);
  const stops = [
    effect(() => tell(session, current.value)),
    effect(() => {
      session.playbackState = current.value === null ? "none" : player.isPlaying.value ? "playing" : "paused";
    }),
    effect(() => {
      const [duration, position] = [player.duration_s.value, player.time_s.value];
      if (duration > 0)
        session.setPositionState({
          duration,
          position: Math.min(position, duration),
          playbackRate: player.speed.value,
        });
    }),
  ];
  return () => {
    for (const stop of stops) stop();
    for (const action of Object.keys(actions)) handle(session, action as MediaSessionAction, null);
    session.metadata = null;
  };
}

function tell(session: MediaSession, song: Song | null): void {
  if (!song) return;
  const { title, artist, album } = song;
  session.metadata = new MediaMetadata({ title, artist, album });
  if (!song.has_cover) return;
  void cover(song.id).then((src) => {
    if (src && current.peek()?.id === song.id)
      session.metadata = new MediaMetadata({ title, artist, album, artwork: [{ src }] });
  });
}

// Browsers throw for actions that they do not know.
function handle(session: MediaSession, action: MediaSessionAction, act: MediaSessionActionHandler | null): void {
  try {
    session.setActionHandler(action, act);
  } catch {
    // This one has no key for it.
  }
}
