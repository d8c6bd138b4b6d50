// What is heard now, from low to high? Drawn behind the curve while music plays, unless somebody asks for calm.
import { useEffect, useRef } from "preact/hooks";
import { audioGraph, hasAudioGraph } from "../player/graph";
import { player } from "../player/store";
import { HIGHEST_HZ, LOWEST_HZ } from "./filters";

/** Distance of drawn points, in pixels. */
const STEP_PX = 3;
/** Levels at the lower and the upper edge, in dB of full scale. */
const FLOOR_DB = -95;
const CEILING_DB = -20;

export function Spectrum({ size }: { size: { width: number; height: number } }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width, height } = size;
  const isPlaying = player.isPlaying.value;
  useEffect(() => {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const context = canvas.current?.getContext("2d");
    if (!isPlaying || calm || !context || !hasAudioGraph()) return;
    return draw(context, width, height);
  }, [isPlaying, width, height]);
  return <canvas class="eq-spectrum" ref={canvas} />;
}

/** Draw until the returned function is called; the last picture is taken away then. */
function draw(context: CanvasRenderingContext2D, width: number, height: number): () => void {
  const { output, context: audio } = audioGraph();
  const analyser = new AnalyserNode(audio, { fftSize: 8192, smoothingTimeConstant: 0.82 });
  output.connect(analyser);
  const levels = new Float32Array(analyser.frequencyBinCount);
  const bins = binsOfPoints(width, audio.sampleRate, analyser.fftSize);
  const { canvas } = context;
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  context.scale(devicePixelRatio, devicePixelRatio);
  context.fillStyle = getComputedStyle(canvas).color;
  let frame = requestAnimationFrame(function next() {
    analyser.getFloatFrequencyData(levels);
    context.clearRect(0, 0, width, height);
    context.beginPath();
    context.moveTo(0, height);
    for (const [i, [from, to]] of bins.entries()) {
      const share = (levelBetween(levels, from, to) - FLOOR_DB) / (CEILING_DB - FLOOR_DB);
      context.lineTo(i * STEP_PX, height * (1 - Math.min(1, Math.max(0, share))));
    }
    context.lineTo(width, height);
    context.fill();
    frame = requestAnimationFrame(next);
  });
  return () => {
    cancelAnimationFrame(frame);
    output.disconnect(analyser);
    context.clearRect(0, 0, width, height);
  };
}

/** Which bins, and parts of bins, lie at each point. */
function binsOfPoints(width: number, sampleRateHz: number, fftSize: number): [from: number, to: number][] {
  const bin = (x: number) => (LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** (x / width) * fftSize) / sampleRateHz;
  return Array.from({ length: Math.ceil(width / STEP_PX) + 1 }, (_, i) => [bin(i * STEP_PX), bin((i + 1) * STEP_PX)]);
}

/** The highest level of a range; where it is narrower than a bin, what lies between two. */
function levelBetween(levels: Float32Array, from: number, to: number): number {
  const first = Math.ceil(from);
  if (first < to) return levels.subarray(first, Math.ceil(to)).reduce((a, b) => Math.max(a, b), FLOOR_DB);
  const below = Math.floor(from);
  const [left, right] = [levels[below] ?? FLOOR_DB, levels[below + 1] ?? FLOOR_DB];
  return left + (from - below) * (right - left);
}
