// How does it sound? The equalizer, speed, and whether all songs are equally loud.
import { EqualizerPanel } from "../equalizer/panel";
import { player } from "./player";

export function SoundSettings() {
  return (
    <div class="sound-settings">
      <h2>Sound</h2>
      <EqualizerPanel />
      <fieldset class="speeds">
        <legend>Speed</legend>
        {player.speeds.map((speed) => (
          <label key={speed}>
            <input
              type="radio"
              name="speed"
              checked={player.speed.value === speed}
              onChange={() => player.setSpeed(speed)}
            />
            <span>{speed}×</span>
          </label>
        ))}
      </fieldset>
      <label class="switch">
        <input
          type="checkbox"
          checked={player.isNormalised.value}
          disabled={!player.isInGraph.value}
          onChange={(event) => player.setNormalised(event.currentTarget.checked)}
        />
        <span>
          <strong>Same loudness</strong>
          <span class="soft">Quiet songs are lifted and loud ones lowered, never so far that they distort.</span>
        </span>
      </label>
    </div>
  );
}
