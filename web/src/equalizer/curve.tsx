// What does it do to low and to high? The response as a curve, with handles for the bands, over what is heard now.
import { useEffect, useRef, useState } from "preact/hooks";
import {
  BANDS,
  FLAT,
  FREQUENCIES_HZ,
  HIGHEST_HZ,
  LOWEST_HZ,
  MAX_GAIN_DB,
  passes,
  responseDb,
  type Settings,
} from "./filters";
import { sampleRateHz } from "./heard";
import { isBypassed, set, settings } from "./live";
import { Spectrum } from "./spectrum";
import { decibels, hertz, settingsWords } from "./words";

/** How far the grid goes up and down, in dB. */
const RANGE_DB = 15;
const LEVELS_DB = [12, 6, 0, -6, -12] as const;
const LINES_HZ = [50, 100, 200, 500, 1000, 2000, 5000, 10_000] as const;
/** Where a curve is told in words. */
const TOLD_HZ = [50, 100, 300, 1000, 3000, 8000, 16_000] as const;
/** Where the handles stand, in Hz: for the shelves not at their corners, but where they are nearly as high as they get. */
const HANDLES_HZ = { bass_db: 48, mid_db: 1000, treble_db: 14_000 } as const;

interface Size {
  width: number;
  height: number;
}

export function Curve() {
  const frame = useRef<HTMLDivElement>(null);
  const size = useSize(frame);
  return (
    <figure class={`eq-curve ${isBypassed.value ? "eq-curve-off" : ""}`}>
      <div class="eq-curve-frame" ref={frame}>
        {size && (
          <>
            <Spectrum size={size} />
            <Drawing size={size} settings={settings.value} />
          </>
        )}
      </div>
      <figcaption class="visually-hidden">
        {settingsWords(settings.value)}. {levelsInWords(settings.value)}
      </figcaption>
    </figure>
  );
}

function Drawing({ size, settings }: { size: Size; settings: Settings }) {
  const { bass_db, mid_db, treble_db } = settings;
  const bands: Settings = { ...FLAT, bass_db, mid_db, treble_db, headroom_db: 0 };
  const line = path(responseDb({ ...settings, headroom_db: 0 }, sampleRateHz()), size);
  const zero = y(0, size).toFixed(1);
  return (
    <svg class="eq-drawing" width={size.width} height={size.height} role="img" aria-label="Response of the equalizer">
      {LEVELS_DB.map((level) => (
        <g key={level} class={level === 0 ? "eq-grid eq-grid-zero" : "eq-grid"}>
          <path d={`M0 ${y(level, size)}H${size.width}`} />
          <text x={5} y={y(level, size) - 5}>
            {decibels(level)}
          </text>
        </g>
      ))}
      {LINES_HZ.filter((hz) => size.width > 600 || [100, 1000, 10_000].includes(hz)).map((hz) => (
        <g key={hz} class="eq-grid">
          <path d={`M${x(hz, size).toFixed(1)} 0V${size.height}`} />
          <text
            x={x(hz, size) + (isAtEdge(hz, size) ? -5 : 5)}
            y={size.height - 8}
            text-anchor={isAtEdge(hz, size) ? "end" : "start"}
          >
            {hertz(hz)}
          </text>
        </g>
      ))}
      <path class="eq-area" d={`${line}L${size.width} ${zero}L0 ${zero}Z`} />
      {passes(settings, sampleRateHz()).length > 0 && (
        <path class="eq-line eq-line-bands" d={path(responseDb(bands, sampleRateHz()), size)} />
      )}
      <path class="eq-line" d={line} />
      {BANDS.map(({ key, words }) => (
        <Handle
          key={key}
          words={words}
          size={size}
          hz={HANDLES_HZ[key]}
          level={responseDb(bands, sampleRateHz(), [HANDLES_HZ[key]])[0] ?? 0}
          band={key}
        />
      ))}
    </svg>
  );
}

interface HandleProps {
  size: Size;
  words: string;
  band: keyof typeof HANDLES_HZ;
  hz: number;
  level: number;
}

/** For those who point; all others have the sliders. */
function Handle({ size, words, band, hz, level }: HandleProps) {
  const drag = (event: PointerEvent & { currentTarget: SVGCircleElement }) => {
    if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
    const box = event.currentTarget.ownerSVGElement?.getBoundingClientRect();
    if (!box) return;
    const wanted = RANGE_DB * (1 - (2 * (event.clientY - box.top)) / box.height);
    set({ [band]: Math.max(-MAX_GAIN_DB, Math.min(MAX_GAIN_DB, Math.round(2 * wanted) / 2)) });
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a second way, for pointers; the sliders are the first.
    <circle
      class="eq-handle"
      cx={x(hz, size)}
      cy={y(level, size)}
      r={11}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={drag}
      onDblClick={() => set({ [band]: 0 })}
    >
      <title>{words}</title>
    </circle>
  );
}

function path(levels: readonly number[], size: Size): string {
  return `M${levels.map((level, i) => `${x(FREQUENCIES_HZ[i] ?? 0, size).toFixed(1)} ${y(level, size).toFixed(1)}`).join("L")}`;
}

function isAtEdge(hz: number, size: Size): boolean {
  return x(hz, size) > size.width - 50;
}

function x(hz: number, { width }: Size): number {
  return (width * Math.log(hz / LOWEST_HZ)) / Math.log(HIGHEST_HZ / LOWEST_HZ);
}

function y(level: number, { height }: Size): number {
  return (height / 2) * (1 - Math.max(-2 * RANGE_DB, level) / RANGE_DB);
}

function levelsInWords(settings: Settings): string {
  const levels = responseDb({ ...settings, headroom_db: 0 }, sampleRateHz(), TOLD_HZ);
  return `${TOLD_HZ.map((hz, i) => `${decibels(levels[i] ?? 0)} at ${hertz(hz)}`).join(", ")}.`;
}

function useSize(element: { current: HTMLElement | null }): Size | null {
  const [size, setSize] = useState<Size | null>(null);
  useEffect(() => {
    if (!element.current) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [element]);
  return size;
}
