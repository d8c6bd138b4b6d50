// Which buttons does the player have, in the bar and on the full sheet alike?
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { isShuffled, next, player, previous, type Repeat, repeat, setShuffled } from "./store";

export function PlayButton() {
  const isPlaying = player.isPlaying.value;
  return (
    <button
      type="button"
      class={`play-button ${player.isWaiting.value ? "play-button-waiting" : ""}`}
      aria-label={isPlaying ? "Pause" : "Play"}
      aria-busy={player.isWaiting.value}
      onClick={player.toggle}
    >
      <Icon name={isPlaying ? "pause" : "play"} size={24} />
    </button>
  );
}

export function Transport() {
  return (
    <div class="transport">
      <IconButton icon="previous" label="Previous song" onClick={previous} />
      <PlayButton />
      <IconButton icon="next" label="Next song" onClick={next} />
    </div>
  );
}

const AFTER: Record<Repeat, Repeat> = { off: "all", all: "one", one: "off" };
const WORDS: Record<Repeat, string> = { off: "Repeat: off", all: "Repeat: all songs", one: "Repeat: this song" };

export function OrderButtons() {
  return (
    <>
      <IconButton
        icon="shuffle"
        label="Shuffle"
        aria-pressed={isShuffled.value}
        onClick={() => setShuffled(!isShuffled.value)}
      />
      <IconButton
        class={repeat.value === "off" ? "" : "is-on"}
        icon={repeat.value === "one" ? "repeat-one" : "repeat"}
        label={WORDS[repeat.value]}
        onClick={() => {
          repeat.value = AFTER[repeat.value];
        }}
      />
    </>
  );
}

export function Volume() {
  const isMuted = player.isMuted.value || player.volume.value === 0;
  const percent = Math.round(100 * player.volume.value);
  return (
    <div class="volume">
      <IconButton
        icon={isMuted ? "muted" : "volume"}
        label={isMuted ? "Sound on" : "Mute"}
        onClick={() => player.setMuted(!player.isMuted.value)}
      />
      <input
        type="range"
        aria-label="Volume"
        aria-valuetext={isMuted ? "muted" : `${percent} %`}
        min={0}
        max={1}
        step={0.05}
        value={player.isMuted.value ? 0 : player.volume.value}
        onInput={(event) => player.setVolume(event.currentTarget.valueAsNumber)}
      />
    </div>
  );
}
