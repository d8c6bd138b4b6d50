// Which way does sound go? Decks → input → equalizer → analyser (output) → volume → loudspeakers.

export interface AudioGraph {
  readonly context: AudioContext;
  /** What is played comes together here, each song with the gain of its own loudness. */
  readonly input: AudioNode;
  /** What comes out of the equalizer, before the volume. Whoever wants to see or record what is heard connects here. */
  readonly output: AnalyserNode;
}

/** What stands between `input` and `output`. */
export interface Equalizer {
  readonly input: AudioNode;
  readonly output: AudioNode;
  dispose: () => void;
}

/** Long enough that a change of level is no click, in seconds. */
const SMOOTH_S = 0.015;

let graph: (AudioGraph & { volume: GainNode }) | null = null;
let equalizer: Equalizer | null = null;
let build: ((context: AudioContext) => Equalizer) | null = null;
let level = 1;

/** The graph, made at the first call: make that one in a person's click, or browsers keep it silent. */
export function audioGraph(): AudioGraph {
  graph ??= made();
  return graph;
}

/** Whether there is a graph; before somebody plays there is none. */
export function hasAudioGraph(): boolean {
  return graph !== null;
}

/** Let sound out again where the browser has stopped it; call it in a person's click. */
export function wake(): void {
  const { context } = audioGraph();
  if (context.state !== "running") void context.resume().catch(() => undefined);
}

/** Put an equalizer in, or another one in its place, or none; it is built when there is a graph. */
export function setEqualizer(next: ((context: AudioContext) => Equalizer) | null): void {
  build = next;
  if (graph) insert(graph);
}

/** Set how loud everything is, 0 to 1. */
export function setVolume(next: number): void {
  level = next;
  if (graph) graph.volume.gain.setTargetAtTime(next, graph.context.currentTime, SMOOTH_S);
}

function made(): AudioGraph & { volume: GainNode } {
  const context = new AudioContext({ latencyHint: "playback" });
  const input = context.createGain();
  const output = context.createAnalyser();
  const volume = context.createGain();
  volume.gain.value = level;
  output.connect(volume).connect(context.destination);
  const next = { context, input, output, volume };
  insert(next);
  return next;
}

function insert({ context, input, output }: AudioGraph): void {
  const before = equalizer;
  equalizer = build ? build(context) : null;
  if (equalizer) {
    input.connect(equalizer.input);
    equalizer.output.connect(output);
  } else {
    input.connect(output);
  }
  // The new way first, then the old one away: a moment of both is heard less than a moment of neither.
  if (before) {
    input.disconnect(before.input);
    before.output.disconnect(output);
    before.dispose();
  } else if (equalizer) {
    disconnectIfConnected(input, output);
  }
}

function disconnectIfConnected(from: AudioNode, to: AudioNode): void {
  try {
    from.disconnect(to);
  } catch {
    // It was never connected: the graph is new.
  }
}
