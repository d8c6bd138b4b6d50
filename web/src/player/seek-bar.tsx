// Where in the song are we, and where would one like to be? A slider over the outline of the sound.
import { useState } from "preact/hooks";
import { clock, clockWords } from "./clock";
import { player } from "./player";
import type { Song } from "./store";
import { useOutline } from "./waveform";
import "./seek-bar.css";

const STEP_S = 5;
const PAGE_S = 30;

export function SeekBar({ song, bars = 140 }: { song: Song; bars?: number }) {
  const outline = useOutline(song.id, bars);
  const [wanted_s, setWanted] = useState<number | null>(null);
  const duration_s = player.duration_s.value;
  const time_s = wanted_s ?? player.time_s.value;
  const share = duration_s > 0 ? Math.min(1, time_s / duration_s) : 0;
  const seek = (to_s: number) => {
    setWanted(null);
    player.seek(to_s);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = {
      ArrowLeft: -STEP_S,
      ArrowDown: -STEP_S,
      ArrowRight: STEP_S,
      ArrowUp: STEP_S,
      PageDown: -PAGE_S,
      PageUp: PAGE_S,
    }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    seek(player.time_s.value + step);
  };
  return (
    <div class="seek">
      <span class="seek-time">{clock(time_s)}</span>
      <div class="seek-bar">
        <Outline heights={outline} count={bars} share={share} />
        <input
          type="range"
          aria-label="Position in the song"
          aria-valuetext={`${clockWords(time_s)} of ${clockWords(duration_s)}`}
          min={0}
          max={duration_s || 1}
          step="any"
          value={time_s}
          onInput={(event) => setWanted(event.currentTarget.valueAsNumber)}
          onChange={(event) => seek(event.currentTarget.valueAsNumber)}
          onKeyDown={onKeyDown}
        />
      </div>
      <span class="seek-time">{clock(duration_s)}</span>
    </div>
  );
}

/** The bars twice, grey and coloured; of the coloured ones only what was played is seen. */
function Outline({ heights, count, share }: { heights: readonly number[] | null; count: number; share: number }) {
  const path = Array.from({ length: count }, (_, bar) => {
    const half = 1 + 18 * (heights?.[bar] ?? 0);
    return `M${bar * 4 + 2} ${20 - half}V${20 + half}`;
  }).join("");
  return (
    <svg class="outline" viewBox={`0 0 ${count * 4} 40`} preserveAspectRatio="none" aria-hidden="true">
      <path d={path} />
      <path class="outline-played" d={path} style={{ clipPath: `inset(0 ${100 - 100 * share}% 0 0)` }} />
    </svg>
  );
}
