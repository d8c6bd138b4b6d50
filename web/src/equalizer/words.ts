// How are levels, frequencies and settings said in words?
import type { Settings } from "./filters";
import type { Preset } from "./live";

/** "+3 dB", "−2.5 dB", "0 dB". */
export function decibels(level_db: number): string {
  const size = String(Math.round(Math.abs(level_db) * 10) / 10);
  return `${size === "0" ? "" : level_db > 0 ? "+" : "−"}${size} dB`;
}

/** "80 Hz", "3.4 kHz". */
export function hertz(hz: number): string {
  return hz < 999.5 ? `${Math.round(hz)} Hz` : `${Number((hz / 1000).toPrecision(3))} kHz`;
}

/** "24 dB per octave" for order 4. */
export function steepness(order: number): string {
  return `${6 * order} dB per octave`;
}

/** Built-in presets have names for programs; people's own are as they are. */
export function presetWords({ name, is_built_in }: Pick<Preset, "name" | "is_built_in">): string {
  return is_built_in ? name.charAt(0).toUpperCase() + name.slice(1).replaceAll("-", " ") : name;
}

/** "Bass +6 dB, high-pass at 80 Hz"; "Flat" where nothing is set. */
export function settingsWords(settings: Settings): string {
  const { bass_db, mid_db, treble_db, high_pass_hz, low_pass_hz, band_pass_low_hz, band_pass_high_hz } = settings;
  const parts = [
    bass_db !== 0 && `bass ${decibels(bass_db)}`,
    mid_db !== 0 && `mid ${decibels(mid_db)}`,
    treble_db !== 0 && `treble ${decibels(treble_db)}`,
    high_pass_hz !== null && `high-pass at ${hertz(high_pass_hz)}`,
    low_pass_hz !== null && `low-pass at ${hertz(low_pass_hz)}`,
    band_pass_low_hz !== null &&
      band_pass_high_hz !== null &&
      `band-pass from ${hertz(band_pass_low_hz)} to ${hertz(band_pass_high_hz)}`,
  ].filter(Boolean);
  const words = parts.join(", ") || "flat";
  return words.charAt(0).toUpperCase() + words.slice(1);
}
