// Why this song? The marks that the recording and the song have in common, at the same times and pitches.
import type { Schemas } from "../../api/client";
import { timeWords } from "./words";

type Aligned = Schemas["AlignedPeaks"];
type Peaks = Schemas["Peaks"];

const WIDTH = 720;
const LANE = 150;
const GAP = 26;
const LOWEST_HZ = 150;
const HIGHEST_HZ = 4000;

export function Why({ aligned, offset_ms }: { aligned: Aligned; offset_ms: number }) {
  const { song, clip } = aligned;
  const begin = Math.min(song.times_ms[0] ?? 0, clip.times_ms[0] ?? 0);
  const end = Math.max(song.times_ms.at(-1) ?? 1, clip.times_ms.at(-1) ?? 1, begin + 1);
  const common = song.is_common.filter(Boolean).length;
  const words = `${common} of ${song.times_ms.length} marks of the song between ${timeWords(begin)} and ${timeWords(end)} are in your recording, at the same times and pitches. In your recording, each comes ${seconds(offset_ms)} earlier than in the song.`;
  return (
    <details class="why">
      <summary>Why this song?</summary>
      <figure>
        <svg viewBox={`0 0 ${WIDTH} ${2 * LANE + 2 * GAP}`} role="img" aria-label={words}>
          <Lane words="Your recording" top={0} peaks={clip} begin={begin} end={end} />
          <Lane words="The song" top={LANE + GAP} peaks={song} begin={begin} end={end} />
          <text class="why-time" x={0} y={2 * LANE + 2 * GAP - 4}>
            {timeWords(begin)}
          </text>
          <text class="why-time" x={WIDTH} y={2 * LANE + 2 * GAP - 4} text-anchor="end">
            {timeWords(end)}
          </text>
        </svg>
        <figcaption>{words}</figcaption>
      </figure>
    </details>
  );
}

interface LaneProps {
  words: string;
  top: number;
  peaks: Peaks;
  begin: number;
  end: number;
}

/** Time goes to the right, pitch upwards; what both have burns. */
function Lane({ words, top, peaks, begin, end }: LaneProps) {
  return (
    <g>
      <rect class="why-lane" x={0} y={top} width={WIDTH} height={LANE} rx={10} />
      {peaks.times_ms.map((time, i) => (
        <circle
          key={`${time}-${peaks.frequencies_hz[i]}`}
          class={peaks.is_common[i] ? "why-common" : "why-other"}
          cx={6 + ((time - begin) / (end - begin)) * (WIDTH - 12)}
          cy={top + height(peaks.frequencies_hz[i] ?? 0)}
          r={peaks.is_common[i] ? 3.2 : 1.8}
        />
      ))}
      <text class="why-words" x={12} y={top + 20}>
        {words}
      </text>
    </g>
  );
}

/** Octaves are equally high. */
function height(hz: number): number {
  const share = Math.log(Math.max(hz, LOWEST_HZ) / LOWEST_HZ) / Math.log(HIGHEST_HZ / LOWEST_HZ);
  return LANE - 8 - Math.min(share, 1) * (LANE - 16);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
