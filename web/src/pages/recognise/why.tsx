// Why this song? The marks that the recording and the song have in common, at the same times and pitches.
import type { Schemas } from "../../api/client";
import { clock } from "../../player/clock";

type Aligned = Schemas["AlignedPeaks"];
type Peaks = Schemas["Peaks"];

const WIDTH = 720;
const LANE = 150;
const LOWEST_HZ = 150;
const HIGHEST_HZ = 4000;

export function Why({ aligned, offset_ms }: { aligned: Aligned; offset_ms: number }) {
  const { song, clip } = aligned;
  const begin = Math.min(song.times_ms[0] ?? 0, clip.times_ms[0] ?? 0);
  const end = Math.max(song.times_ms.at(-1) ?? 1, clip.times_ms.at(-1) ?? 1, begin + 1);
  const common = song.is_common.filter(Boolean).length;
  const words = `${common} of ${song.times_ms.length} marks of the song between ${clock(begin / 1000)} and ${clock(end / 1000)} are in your recording, at the same pitches, and each ${seconds(offset_ms)} earlier than in the song.`;
  return (
    <details class="why">
      <summary>Why this song?</summary>
      <figure>
        <div role="img" aria-label={words}>
          <p>Your recording</p>
          <Lane peaks={clip} begin={begin} end={end} />
          <p>The song</p>
          <Lane peaks={song} begin={begin} end={end} />
          <p class="why-times">
            <span>{clock(begin / 1000)}</span>
            <span>{clock(end / 1000)}</span>
          </p>
        </div>
        <figcaption>{words}</figcaption>
      </figure>
    </details>
  );
}

/** Time goes to the right, pitch upwards; what both have burns. */
function Lane({ peaks, begin, end }: { peaks: Peaks; begin: number; end: number }) {
  return (
    <svg viewBox={`0 0 ${WIDTH} ${LANE}`} aria-hidden="true" focusable="false">
      {peaks.times_ms.map((time, i) => (
        <circle
          key={`${time}-${peaks.frequencies_hz[i]}`}
          class={peaks.is_common[i] ? "why-common" : "why-other"}
          cx={6 + ((time - begin) / (end - begin)) * (WIDTH - 12)}
          cy={height(peaks.frequencies_hz[i] ?? 0)}
          r={peaks.is_common[i] ? 3.6 : 2.2}
        />
      ))}
    </svg>
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
