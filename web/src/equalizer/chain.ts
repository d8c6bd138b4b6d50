// How does sound go through the equalizer while somebody moves it? Bands → filters → headroom, with no click on the way.
import { effect, type ReadonlySignal } from "@preact/signals";
import type { Equalizer } from "../player/graph";
import { BANDS, headroomDb, MID_Q, passes, type Section, type Settings } from "./filters";

/** Long enough that a step of the gain is no click, short enough to follow a hand, in seconds. */
const SMOOTH_S = 0.015;
/** How long new filters run unheard until they have forgotten that they began in the middle, in seconds. */
const WARM_UP_S = 0.05;
/** How long old and new filters are heard together, in seconds. */
const FADE_S = 0.03;

/** Nodes that play what `settings` say, now and whenever they change. */
export function chain(context: AudioContext, settings: ReadonlySignal<Settings>): Equalizer {
  const bands = BANDS.map(
    ({ key, type, hz }) => new BiquadFilterNode(context, { type, frequency: hz, Q: MID_Q, gain: settings.peek()[key] }),
  );
  const headroom = new GainNode(context, { gain: headroomGain(settings.peek(), context) });
  const [first, last] = [line(bands), bands.at(-1)];
  if (!first || !last) throw new Error("an equalizer has bands");
  const filters = exchangeable(context, last, headroom);

  const stop = effect(() => {
    const now = settings.value;
    for (const [i, { key }] of BANDS.entries()) glide(context, bands[i]?.gain, now[key]);
    glide(context, headroom.gain, headroomGain(now, context));
    filters.set(passes(now, context.sampleRate));
  });
  return {
    input: first,
    output: headroom,
    dispose() {
      stop();
      filters.dispose();
      for (const node of [...bands, headroom]) node.disconnect();
    },
  };
}

function headroomGain(settings: Settings, { sampleRate }: BaseAudioContext): number {
  return 10 ** (-headroomDb(settings, sampleRate) / 20);
}

function glide(context: AudioContext, param: AudioParam | undefined, value: number): void {
  param?.setTargetAtTime(value, context.currentTime, SMOOTH_S);
}

/** Connect nodes one after the other, and return the first. */
function line(nodes: readonly AudioNode[]): AudioNode | undefined {
  nodes.reduce((before, node) => before.connect(node));
  return nodes[0];
}

// --- Filters that are put in each other's place ---------------------------------------------------------------------

interface Exchangeable {
  set: (sections: readonly Section[]) => void;
  dispose: () => void;
}

/**
 * Sections between two nodes. The coefficients of an `IIRFilterNode` never change, so others come in its place: they
 * run unheard for a moment, then they are faded in. What is set meanwhile waits; of that, the last counts.
 */
function exchangeable(context: AudioContext, from: AudioNode, to: AudioNode): Exchangeable {
  let present: { ends: readonly AudioNode[]; fade: GainNode } | null = null;
  let written = "";
  let waiting: readonly Section[] | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const put = (sections: readonly Section[]) => {
    const next = JSON.stringify(sections);
    if (present && next === written) return;
    written = next;
    const before = present;
    const fade = new GainNode(context, { gain: before ? 0 : 1 });
    const nodes = sections.map(
      ({ feedforward, feedback }) =>
        new IIRFilterNode(context, { feedforward: [...feedforward], feedback: [...feedback] }),
    );
    line([from, ...nodes, fade]);
    fade.connect(to);
    present = { ends: [nodes[0] ?? fade], fade };
    if (before) exchange(before, fade);
  };
  const exchange = (before: NonNullable<typeof present>, fade: GainNode) => {
    const begin = context.currentTime + WARM_UP_S;
    for (const [{ gain }, level] of [
      [before.fade, 0],
      [fade, 1],
    ] as const) {
      gain.setValueAtTime(1 - level, begin);
      gain.linearRampToValueAtTime(level, begin + FADE_S);
    }
    // A context that stands still has nobody who hears a click.
    const isHeard = context.state === "running";
    if (!isHeard) fade.gain.cancelScheduledValues(0).value = 1;
    timer = setTimeout(
      () => {
        for (const end of before.ends) from.disconnect(end);
        before.fade.disconnect();
        timer = undefined;
        const next = waiting;
        waiting = null;
        if (next) put(next);
      },
      isHeard ? 1000 * (WARM_UP_S + 2 * FADE_S) : 0,
    );
  };
  return {
    set(sections) {
      if (timer === undefined) put(sections);
      else waiting = sections;
    },
    dispose() {
      clearTimeout(timer);
      from.disconnect();
      present?.fade.disconnect();
    },
  };
}
