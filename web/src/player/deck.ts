// What plays one song? An audio element with its source, which gets new addresses when the old ones have ended.
import { comeback } from "../api/comeback";
import { asProblem, ProblemError } from "../api/problems";
import { audioGraph } from "./graph";
import { attach, loudnessGain, type Source } from "./source";
import type { Song } from "./store";

/** How often a song may break off at a place before it is given up, and how far the next place is, in seconds. */
const ATTEMPTS = 3;
const NEXT_PLACE_S = 5;
/** How soon the loudness is asked for again while it is being measured. */
const MEASURED_AFTER_MS = 3000;
/** How fast the level changes when the loudness becomes known while one listens, in seconds. */
const GLIDE_S = 0.3;

export interface DeckEvents {
  onChange: () => void;
  onEnd: () => void;
}

export class Deck {
  readonly element = new Audio();
  song: Song | null = null;
  /** Why nothing comes, though it may be asked for again; null while all is well. */
  problem: ProblemError | null = null;
  readonly #events: DeckEvents;
  #gain: GainNode | null = null;
  #gain_db = 0;
  #isNormalised = true;
  #source: Source | null = null;
  /** Where to begin when the source has come, in seconds; null while the element itself knows where it is. */
  #begin_s: number | null = null;
  /** Ends when the song is no longer wanted. */
  #songEnds = new AbortController();
  /** Ends when its addresses are asked for anew, too. */
  #sourceEnds = new AbortController();
  /** How often it has failed to go on from where it was got last. */
  #failures = 0;
  #gotAt_s = 0;
  #isWanted = false;

  constructor(events: DeckEvents) {
    this.#events = events;
    const { element } = this;
    element.crossOrigin = "anonymous"; // or the graph hears zeros
    element.preload = "auto";
    element.addEventListener("loadedmetadata", () => this.#goToBegin());
    element.addEventListener("pause", () => {
      // The system does so when somebody calls, and pulling out headphones does.
      if (this.#source && element.paused && !element.ended) this.#isWanted = false;
    });
    element.addEventListener("timeupdate", () => {
      if (Math.abs(this.time_s - this.#gotAt_s) > NEXT_PLACE_S) this.#failures = 0;
    });
    for (const name of ["timeupdate", "durationchange", "seeking", "waiting", "playing", "pause", "canplay"])
      element.addEventListener(name, () => events.onChange());
    element.addEventListener("ended", () => events.onEnd());
  }

  /** Where in the song one is, in seconds, or will be as soon as it has come. */
  get time_s(): number {
    return this.#begin_s ?? this.element.currentTime;
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
    this.#begin_s = at_s;
    this.#gain_db = 0;
    this.#applyGain(0);
    this.#attachAnew();
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
    this.#begin_s = null;
    this.problem = null;
    this.song = null;
  }

  /** Let it be heard, and ask for it again if it was lost or paused for too long. */
  play(): void {
    if (!this.song) return;
    this.#isWanted = true;
    if (this.problem || Date.now() > (this.#source?.expiresAt ?? Number.POSITIVE_INFINITY)) this.#attachAnew();
    else this.#start();
    this.#events.onChange();
  }

  pause(): void {
    this.#isWanted = false;
    this.element.pause();
    this.#events.onChange();
  }

  seek(to_s: number): void {
    const last_s = Number.isFinite(this.element.duration) ? this.element.duration : (this.song?.duration_s ?? 0);
    const at_s = Math.min(Math.max(0, to_s), Math.max(0, last_s - 0.05));
    if (this.#begin_s === null) this.element.currentTime = at_s;
    else this.#begin_s = at_s;
    this.#events.onChange();
  }

  setSpeed(speed: number): void {
    this.element.defaultPlaybackRate = speed; // or the next source brings back the usual one
    this.element.playbackRate = speed;
  }

  setNormalised(isNormalised: boolean): void {
    this.#isNormalised = isNormalised;
    this.#applyGain(GLIDE_S);
  }

  #attachAnew(): void {
    this.problem = null;
    this.#failures = 0;
    void this.#attach();
  }

  /** Ask for addresses, and go on at the same place. */
  async #attach(): Promise<void> {
    const { song } = this;
    if (!song) return;
    this.#sourceEnds.abort();
    this.#sourceEnds = new AbortController();
    const { signal } = this.#sourceEnds;
    const at_s = this.time_s;
    this.#begin_s = this.#gotAt_s = at_s;
    this.#source?.detach();
    this.#source = null;
    try {
      if (this.#failures > 1) await comeback(this.#failures - 2, this.problem?.retryAt ?? null, signal);
      this.#connect();
      const onFailure = () => !signal.aborted && this.#fail(this.#failures < ATTEMPTS ? null : unplayable());
      const source = await attach(this.element, { songId: song.id, at_s, signal, onFailure });
      if (signal.aborted) return source.detach();
      this.#source = source;
      this.problem = null;
      if (this.#isWanted) this.#start();
      this.#events.onChange();
    } catch (error) {
      if (!signal.aborted) this.#fail(asProblem(error));
    }
  }

  /** Addresses end while one pauses, and networks come and go: ask again unless that makes no sense. */
  #fail(problem: ProblemError | null): void {
    this.#failures += 1;
    this.problem = problem;
    if (problem && !problem.isPassing) this.#isWanted = false;
    else void this.#attach();
    this.#events.onChange();
  }

  #goToBegin(): void {
    const { element } = this;
    if (this.#begin_s !== null && Math.abs(element.currentTime - this.#begin_s) > 0.05)
      element.currentTime = this.#begin_s;
    this.#begin_s = null;
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

function unplayable(): ProblemError {
  return new ProblemError("unplayable", 0, "The song broke off and does not come back.");
}
