// What plays one song? An audio element with its source, which gets new addresses when the old ones have ended.
import { type ProblemError, unreachable } from "../api/problems";
import { audioGraph } from "./graph";
import { attach, failureOf, loudnessGain, type Source } from "./source";
import type { Song } from "./store";

/** How often addresses are asked for anew before somebody is told, and how long the pauses grow. */
const ATTEMPTS = 3;
const PAUSE_MS = 800;
/** How soon the loudness is asked for again while it is being measured. */
const MEASURED_AFTER_MS = 3000;
/** How fast the level changes when the loudness becomes known while one listens, in seconds. */
const GLIDE_S = 0.3;

export interface DeckEvents {
  onTime: () => void;
  onEnd: () => void;
  onProblem: (problem: ProblemError) => void;
}

export class Deck {
  readonly element = new Audio();
  song: Song | null = null;
  readonly #events: DeckEvents;
  #gain: GainNode | null = null;
  #gain_db = 0;
  #isNormalised = true;
  #source: Source | null = null;
  /** Ends when the song is no longer wanted. */
  #songEnds = new AbortController();
  /** Ends when its addresses are asked for anew, too. */
  #sourceEnds = new AbortController();
  #attempts = 0;
  #isWanted = false;

  constructor(events: DeckEvents) {
    this.#events = events;
    const { element } = this;
    element.crossOrigin = "anonymous"; // or the graph hears zeros
    element.preload = "auto";
    for (const name of ["timeupdate", "durationchange", "seeking", "waiting", "playing", "pause", "canplay"])
      element.addEventListener(name, () => events.onTime());
    element.addEventListener("timeupdate", () => {
      if (!element.paused && !element.seeking) this.#attempts = 0;
    });
    element.addEventListener("ended", () => events.onEnd());
  }

  /** Whether somebody wants to hear it; it may still be waiting for data. */
  get isPlaying(): boolean {
    return this.#isWanted;
  }

  get isWaiting(): boolean {
    return this.#isWanted && this.element.readyState < HTMLMediaElement.HAVE_FUTURE_DATA && !this.element.ended;
  }

  get isInGraph(): boolean {
    return this.#source?.isInGraph ?? true;
  }

  /** Get a song ready from a place on; it is heard from `play` on. */
  load(song: Song, at_s = 0): void {
    this.clear();
    this.song = song;
    this.#attempts = 0;
    this.#gain_db = 0;
    this.#applyGain(0);
    void this.#attach(at_s);
    void this.#learnLoudness(song.id, this.#songEnds.signal);
  }

  /** Let go of the song. */
  clear(): void {
    this.#isWanted = false;
    this.#songEnds.abort();
    this.#songEnds = new AbortController();
    this.#sourceEnds.abort();
    this.element.pause();
    this.#source?.detach();
    this.#source = null;
    this.song = null;
  }

  play(): void {
    if (!this.song) return;
    this.#isWanted = true;
    if (this.#source && Date.now() > this.#source.expiresAt) void this.#attach(this.element.currentTime);
    else this.#start();
    this.#events.onTime();
  }

  pause(): void {
    this.#isWanted = false;
    this.element.pause();
    this.#events.onTime();
  }

  seek(to_s: number): void {
    const last_s = Number.isFinite(this.element.duration) ? this.element.duration : (this.song?.duration_s ?? 0);
    const at_s = Math.min(Math.max(0, to_s), Math.max(0, last_s - 0.05));
    if (this.#source && this.element.readyState >= HTMLMediaElement.HAVE_METADATA) this.element.currentTime = at_s;
    else if (this.song) void this.#attach(at_s);
    this.#events.onTime();
  }

  /** Ask for the addresses again, from the same place on. */
  retry(): void {
    this.#attempts = 0;
    this.#isWanted = true;
    void this.#attach(this.element.currentTime);
  }

  setNormalised(isNormalised: boolean): void {
    this.#isNormalised = isNormalised;
    this.#applyGain(GLIDE_S);
  }

  async #attach(at_s: number): Promise<void> {
    const { song } = this;
    if (!song) return;
    this.#sourceEnds.abort();
    this.#sourceEnds = new AbortController();
    const { signal } = this.#sourceEnds;
    this.#source?.detach();
    this.#source = null;
    try {
      this.#connect();
      const onFailure = () => this.#recover(signal);
      const source = await attach(this.element, { songId: song.id, at_s, signal, onFailure });
      if (signal.aborted) return source.detach();
      this.#source = source;
      if (this.#isWanted) this.#start();
      this.#events.onTime();
    } catch (error) {
      const problem = failureOf(error, signal);
      if (!problem) return;
      this.#isWanted = false;
      this.#events.onProblem(problem);
    }
  }

  /** Addresses end while one pauses, and networks come and go: ask for new ones and go on at the same place. */
  #recover(signal: AbortSignal): void {
    if (signal.aborted) return;
    const at_s = this.element.currentTime;
    this.#attempts += 1;
    if (this.#attempts > ATTEMPTS) {
      this.#isWanted = false;
      this.#events.onProblem(unreachable());
      return;
    }
    const timer = setTimeout(() => void this.#attach(at_s), PAUSE_MS * (this.#attempts - 1));
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }

  #start(): void {
    // Refused where nobody has touched the page yet, and where `pause` or another song came first.
    this.element.play().catch((error) => {
      if (error instanceof DOMException && error.name === "NotAllowedError") this.pause();
    });
  }

  async #learnLoudness(songId: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // Nobody stops listening because the loudness is not known: the song is as loud as it is.
      const gain_db = await loudnessGain(songId, signal).catch(() => 0);
      if (signal.aborted) return;
      if (gain_db !== null) {
        this.#gain_db = gain_db;
        this.#applyGain(this.element.paused ? 0 : GLIDE_S);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, MEASURED_AFTER_MS));
    }
  }

  #connect(): void {
    if (this.#gain) return;
    const { context, input } = audioGraph();
    this.#gain = context.createGain();
    context.createMediaElementSource(this.element).connect(this.#gain).connect(input);
    this.#applyGain(0);
  }

  #applyGain(glide_s: number): void {
    if (!this.#gain) return;
    const { gain, context } = this.#gain;
    const target = this.#isNormalised ? 10 ** (this.#gain_db / 20) : 1;
    gain.cancelScheduledValues(context.currentTime);
    if (glide_s > 0) gain.setTargetAtTime(target, context.currentTime, glide_s / 3);
    else gain.setValueAtTime(target, context.currentTime);
  }
}
