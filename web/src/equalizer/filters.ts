// What does an equalizer do to a song? The formulas of the service (services/streaming/equalizer.py), so that a slider
// that moves is heard and drawn at once. Tests hold both to each other.
import type { Schemas } from "../api/client";

/** What an equalizer is set to; filters without a frequency are off, and no headroom means what the boosts need. */
export type Settings = Required<Schemas["EqualizerSettings"]>;

/** One second-order section, as an `IIRFilterNode` takes it. */
export interface Section {
  /** b0, b1, b2. */
  readonly feedforward: readonly [number, number, number];
  /** a0, which is 1, a1, a2. */
  readonly feedback: readonly [number, number, number];
}

/** A band with the filter of the Web Audio specification that it is. */
export interface Band {
  readonly key: "bass_db" | "mid_db" | "treble_db";
  readonly words: string;
  readonly type: "lowshelf" | "peaking" | "highshelf";
  readonly hz: number;
}

export const BANDS: readonly Band[] = [
  { key: "bass_db", words: "Bass", type: "lowshelf", hz: 100 },
  { key: "mid_db", words: "Mid", type: "peaking", hz: 1000 },
  { key: "treble_db", words: "Treble", type: "highshelf", hz: 8000 },
];
/** The quality of the peak. */
export const MID_Q = 0.7;
export const MAX_GAIN_DB = 10;
export const LOWEST_HZ = 20;
export const HIGHEST_HZ = 20_000;
/** How many points a drawn response has. */
export const POINTS = 400;

export const FLAT: Settings = {
  bass_db: 0,
  mid_db: 0,
  treble_db: 0,
  high_pass_hz: null,
  high_pass_order: 4,
  low_pass_hz: null,
  low_pass_order: 4,
  band_pass_low_hz: null,
  band_pass_high_hz: null,
  band_pass_order: 4,
  headroom_db: null,
};

/** Settings as they come from the service, with everything that it leaves out. */
export function complete(settings: Partial<Schemas["EqualizerSettings"]>): Settings {
  return { ...FLAT, ...settings };
}

/** Whether two settings mean the same: the steepness of a filter that is off means nothing. */
export function isSame(one: Settings, other: Settings): boolean {
  const [a, b] = [meaning(one), meaning(other)];
  return (Object.keys(FLAT) as (keyof Settings)[]).every((key) => a[key] === b[key]);
}

function meaning(settings: Settings): Settings {
  return {
    ...settings,
    ...(settings.high_pass_hz === null && { high_pass_order: 4 }),
    ...(settings.low_pass_hz === null && { low_pass_order: 4 }),
    ...(settings.band_pass_low_hz === null && { band_pass_order: 4 }),
  };
}

// --- Response -------------------------------------------------------------------------------------------------------

/** The frequencies at which a response is drawn, in Hz, at equal musical distances. */
export const FREQUENCIES_HZ: readonly number[] = between(LOWEST_HZ, HIGHEST_HZ, POINTS, POINTS - 1);

/** All sections of settings at a sample rate, to be run one after the other; none where everything is 0 dB. */
export function sections(settings: Settings, sampleRateHz: number): Section[] {
  return [...bands(settings, sampleRateHz), ...passes(settings, sampleRateHz)];
}

/** What happens to each frequency, in dB, headroom included; above half of the sample rate as there. */
export function responseDb(settings: Settings, sampleRateHz: number, frequenciesHz = FREQUENCIES_HZ): number[] {
  const all = sections(settings, sampleRateHz);
  const headroom = headroomDb(settings, sampleRateHz);
  return frequenciesHz.map((hz) => levelDb(all, hz, sampleRateHz) - headroom);
}

/** How much quieter everything is made, in dB: what is set, or what the boosts need so that nothing passes full scale. */
export function headroomDb(settings: Settings, sampleRateHz: number): number {
  return settings.headroom_db ?? neededHeadroomDb(settings, sampleRateHz);
}

/** The highest point of the response, in dB; 0 where nothing is boosted. */
export function neededHeadroomDb(settings: Settings, sampleRateHz: number): number {
  const all = sections(settings, sampleRateHz);
  const grid = between(1, sampleRateHz / 2, 4 * POINTS, 4 * POINTS);
  const peakDb = Math.max(...grid.map((hz) => levelDb(all, hz, sampleRateHz)));
  return peakDb > 1e-6 ? peakDb : 0; // what rounding leaves of 0 dB is no boost
}

function levelDb(all: readonly Section[], hz: number, sampleRateHz: number): number {
  const w = (2 * Math.PI * Math.min(hz, sampleRateHz / 2)) / sampleRateHz;
  const power = all.reduce((soFar, { feedforward, feedback }) => soFar * (at(feedforward, w) / at(feedback, w)), 1);
  return 10 * Math.log10(Math.max(power, 1e-24));
}

/** The squared magnitude of a polynomial of z⁻¹ on the unit circle. */
function at([c0, c1, c2]: readonly [number, number, number], w: number): number {
  const re = c0 + c1 * Math.cos(w) + c2 * Math.cos(2 * w);
  const im = c1 * Math.sin(w) + c2 * Math.sin(2 * w);
  return re * re + im * im;
}

function between(first: number, last: number, count: number, steps: number): number[] {
  return Array.from({ length: count }, (_, i) => first * (last / first) ** (i / steps));
}

// --- Sections -------------------------------------------------------------------------------------------------------

/** Bands by Robert Bristow-Johnson's cookbook; one above half of the sample rate has nothing to do there. */
function bands(settings: Settings, sampleRateHz: number): Section[] {
  return BANDS.filter(({ key, hz }) => settings[key] !== 0 && hz < sampleRateHz / 2).map(({ key, type, hz }) => {
    const a = 10 ** (settings[key] / 40);
    const w = (2 * Math.PI * hz) / sampleRateHz;
    return type === "peaking" ? peak(a, w) : shelf(a, w, type === "lowshelf" ? 1 : -1);
  });
}

/** A shelf of slope 1; `a` is the square root of the gain, `side` 1 for the low and -1 for the high one. */
function shelf(a: number, w: number, side: 1 | -1): Section {
  const c = side * Math.cos(w);
  const t = Math.sin(w) * Math.sqrt(2 * a);
  return normalised(
    [a * (a + 1 - (a - 1) * c + t), side * 2 * a * (a - 1 - (a + 1) * c), a * (a + 1 - (a - 1) * c - t)],
    [a + 1 + (a - 1) * c + t, side * -2 * (a - 1 + (a + 1) * c), a + 1 + (a - 1) * c - t],
  );
}

function peak(a: number, w: number): Section {
  const c = Math.cos(w);
  const alpha = Math.sin(w) / (2 * MID_Q);
  return normalised([1 + alpha * a, -2 * c, 1 - alpha * a], [1 + alpha / a, -2 * c, 1 - alpha / a]);
}

/** The high-, low- and band-pass: Butterworth filters by the bilinear transform. */
export function passes(settings: Settings, sampleRateHz: number): Section[] {
  const corner = (hz: number | null) => (hz === null ? null : hz / (sampleRateHz / 2));
  const [above, below] = [corner(settings.high_pass_hz), corner(settings.low_pass_hz)];
  const [from, to] = [corner(settings.band_pass_low_hz), corner(settings.band_pass_high_hz)];
  const order = settings.band_pass_order;
  return [
    ...(above === null ? [] : butterworth("high", settings.high_pass_order, above)),
    ...(below === null || below >= 1 ? [] : butterworth("low", settings.low_pass_order, below)),
    ...(from === null || to === null ? [] : to < 1 ? bandPass(order, from, to) : butterworth("high", order, from)),
  ];
}

/** Pairs of poles of an even order; `corner` is 1 at half of the sample rate. */
function butterworth(side: "low" | "high", order: number, corner: number): Section[] {
  const w = Math.PI * corner;
  const c = Math.cos(w);
  const outer = side === "low" ? (1 - c) / 2 : (1 + c) / 2;
  return Array.from({ length: order / 2 }, (_, k) => {
    const alpha = Math.sin(w) * Math.cos((Math.PI * (2 * k + 1)) / (2 * order));
    return normalised([outer, side === "low" ? 2 * outer : -2 * outer, outer], [1 + alpha, -2 * c, 1 - alpha]);
  });
}

/**
 * A low-pass, moved to a band before it is made digital: https://en.wikipedia.org/wiki/Prototype_filter.
 *
 * Each pole p of the low-pass makes two, the roots of s² - p·width·s + centre². Every section passes the centre as it is.
 */
function bandPass(order: number, low: number, high: number): Section[] {
  const [from, to] = [Math.tan((Math.PI * low) / 2), Math.tan((Math.PI * high) / 2)];
  const centre = Math.sqrt(from * to);
  const digitalCentre = 2 * Math.atan(centre);
  return Array.from({ length: order / 2 }, (_, k) => {
    const angle = (Math.PI * (2 * k + 1)) / (2 * order);
    const re = (-Math.sin(angle) * (to - from)) / 2;
    const im = (Math.cos(angle) * (to - from)) / 2;
    const [rootRe, rootIm] = squareRoot(re * re - im * im - centre * centre, 2 * re * im);
    return [1, -1].map((sign) => {
      const feedback = fromPole(re + sign * rootRe, im + sign * rootIm);
      const gain = Math.sqrt(at(feedback, digitalCentre) / at([1, 0, -1], digitalCentre));
      return { feedforward: [gain, 0, -gain] as const, feedback };
    });
  }).flat();
}

/** The feedback with a pole of the s-plane and its mirror image, by z = (1 + s) / (1 - s). */
function fromPole(re: number, im: number): readonly [number, number, number] {
  const size = re * re + im * im;
  const a0 = 1 - 2 * re + size;
  return [1, (2 * (size - 1)) / a0, (1 + 2 * re + size) / a0];
}

function squareRoot(re: number, im: number): [re: number, im: number] {
  const size = Math.hypot(re, im);
  return [Math.sqrt((size + re) / 2), (im < 0 ? -1 : 1) * Math.sqrt((size - re) / 2)];
}

function normalised(b: [number, number, number], a: [number, number, number]): Section {
  const a0 = a[0];
  return { feedforward: [b[0] / a0, b[1] / a0, b[2] / a0], feedback: [1, a[1] / a0, a[2] / a0] };
}
