// What is heard now? Two decks: one plays, the other gets the next song ready so that it follows without a gap.
import { signal } from "@preact/signals";
import type { ProblemError } from "../api/problems";
import { Deck } from "./deck";
import { setVolume, wake } from "./graph";
import type { Song } from "./store";

/** How long before the end the next song is got ready, in seconds. */
const PREPARE_S = 20;
const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2] as const;

const time_s = signal(0);
const duration_s = signal(0);
const isPlaying = signal(false);
const isWaiting = signal(false);
const isInGraph = signal(true);
const problem = signal<ProblemError | null>(null);
const volume = signal(kept("volume", 1));
const isMuted = signal(false);
const speed = signal(1);
const isNormalised = signal(kept("loudness", 1) === 1);

/** Who says what comes next; the queue sets it. */
let following: () => Song | null = () => null;
let onEnd: () => void = () => undefined;

const decks = [newDeck(), newDeck()] as [Deck, Deck];
let active = decks[0];

function newDeck(): Deck {
  const deck: Deck = new Deck({
    onChange: () => deck === active && observe(),
    onEnd: () => deck === active && onEnd(),
  });
  return deck;
}

function observe(): void {
  const { element } = active;
  const known_s = active.song?.duration_s ?? 0;
  time_s.value = active.time_s;
  duration_s.value = Number.isFinite(element.duration) && element.duration > 0 ? element.duration : known_s;
  isPlaying.value = active.isPlaying;
  isWaiting.value = active.isWaiting;
  isInGraph.value = active.isInGraph;
  problem.value = active.problem;
  if (active.isPlaying && duration_s.value - time_s.value < PREPARE_S) prepare();
}

function prepare(): void {
  const [next, idle] = [following(), idleDeck()];
  if (next !== null && next.id !== idle.song?.id && time_s.value > 0) idle.load(next);
}

function idleDeck(): Deck {
  return active === decks[0] ? decks[1] : decks[0];
}

/** Play a song from a place on, on the deck that has it ready. */
function start(song: Song, at_s: number): void {
  wake();
  const [before, idle] = [active, idleDeck()];
  if (idle.song?.id === song.id && at_s === 0) active = idle;
  else active.load(song, at_s);
  active.play();
  if (before !== active) before.clear();
  observe();
}

function stop(): void {
  for (const deck of decks) deck.clear();
  observe();
}

/** The player that one hears; signals to read, functions to act. Songs come by the queue in `store.ts`. */
export const player = {
  time_s,
  duration_s,
  isPlaying,
  isWaiting,
  /** Whether equalizer and loudness have an effect. */
  isInGraph,
  problem,
  volume,
  isMuted,
  speed,
  speeds: SPEEDS,
  isNormalised,

  /** Play, or try again after a failure, from where it was. */
  play(): void {
    wake();
    active.play();
  },
  pause(): void {
    active.pause();
  },
  toggle(): void {
    if (isPlaying.value) player.pause();
    else player.play();
  },
  /** Go to a place in the song, in seconds. */
  seek(to_s: number): void {
    active.seek(to_s);
  },
  setVolume(next: number): void {
    volume.value = Math.min(1, Math.max(0, next));
    isMuted.value = false;
    keep("volume", volume.value);
    applyVolume();
  },
  setMuted(next: boolean): void {
    isMuted.value = next;
    applyVolume();
  },
  setSpeed(next: number): void {
    speed.value = next;
    for (const deck of decks) deck.setSpeed(next);
  },
  setNormalised(next: boolean): void {
    isNormalised.value = next;
    keep("loudness", next ? 1 : 0);
    for (const deck of decks) deck.setNormalised(next);
  },
} as const;

/** For the queue alone. */
export const transport = {
  start,
  stop,
  follow(next: () => Song | null, whenOver: () => void): void {
    following = next;
    onEnd = whenOver;
  },
} as const;

for (const deck of decks) deck.setNormalised(isNormalised.value);
applyVolume();

// Ears hear ratios: the square makes the middle of the slider half as loud, not nearly as loud.
function applyVolume(): void {
  setVolume(isMuted.value ? 0 : volume.value ** 2);
}

function kept(name: string, otherwise: number): number {
  const value = Number(localStorage.getItem(`tunescout.player.${name}`) ?? Number.NaN);
  return Number.isFinite(value) ? value : otherwise;
}

function keep(name: string, value: number): void {
  localStorage.setItem(`tunescout.player.${name}`, String(value));
}
