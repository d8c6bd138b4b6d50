// How does a list of 50,000 things come? Page by page as far as one scrolls; from anywhere, once its parts are known.
import { effect, signal } from "@preact/signals";
import { asProblem, type ProblemError } from "../../api/problems";
import { state } from "../../session/session";

export const PAGE = 100;
/** So many things before the end the next ones are asked for. */
const NEAR_END = 40;
/** Of so many lists is kept what has come, for those who go back to them. */
const KEPT = 6;

export interface Source<T> {
  /** At most `PAGE` things behind a cursor, and the cursor behind them. */
  page: (cursor: string | null, signal: AbortSignal) => Promise<{ items: readonly T[]; next: string | null }>;
  /** How many things there are, and the cursors behind each `PAGE` of them. */
  parts?: (signal: AbortSignal) => Promise<{ count: number; cursors: readonly string[] }>;
}

/** A list that is asked for what is seen of it: one page at a time, and the next one is what is seen then. */
export class LongList<T> {
  /** All that there is, as far as is known; undefined is still to come. */
  readonly items = signal<readonly (T | undefined)[]>([]);
  /** Whether there is no more than these. */
  readonly isWhole = signal(false);
  readonly isLoading = signal(true);
  readonly problem = signal<ProblemError | null>(null);
  /** Where somebody was in it, in pixels. */
  scrolled_px = 0;
  #wanted: readonly [first: number, last: number] = [0, 0];
  #cursors: readonly string[] = [];
  /** The cursor behind what has come, undefined before anything has; null where its end has come. */
  #next: string | null | undefined;
  #under: AbortController | null = null;
  #isCounted = false;
  #isOld = false;

  constructor(readonly source: Source<T>) {}

  /** Say which things are seen. */
  want(first: number, last: number): void {
    this.#wanted = [first, last];
    if (this.#under === null && this.problem.peek() === null) void this.#load();
  }

  retry(): void {
    this.problem.value = null;
    void this.#load();
  }

  /** Leave off; whoever wants something again goes on. */
  stop(): void {
    this.#under?.abort();
    this.#under = null;
  }

  /** Look whether it begins as it did, before going on: for who comes back to it. */
  lookAgain(): void {
    this.#isOld = true;
  }

  /** The first things, as many as that or all. */
  async first(most: number): Promise<T[]> {
    const known = this.items.peek().filter((item) => item !== undefined);
    if (this.isWhole.peek() && known.length === this.items.peek().length) return known.slice(0, most);
    const found: T[] = [];
    let cursor: string | null = null;
    do {
      const page = await this.source.page(cursor, AbortSignal.timeout(30_000));
      found.push(...page.items);
      cursor = page.next;
    } while (cursor !== null && found.length < most);
    return found.slice(0, most);
  }

  /** Show something otherwise. */
  change(what: (item: T) => T): void {
    this.items.value = this.items.value.map((item) => (item === undefined ? item : what(item)));
  }

  async #load(): Promise<void> {
    const own = new AbortController();
    this.#under = own;
    this.isLoading.value = true;
    try {
      if (this.#isOld) await this.#compare(own.signal);
      for (let place = this.#missing(); place !== null; place = this.#missing()) {
        const page = await this.source.page(place.cursor, own.signal);
        this.#put(place.at, page.items, page.next);
        void this.#count(own.signal);
      }
    } catch (error) {
      if (!own.signal.aborted) this.problem.value = asProblem(error);
    }
    if (this.#under !== own) return;
    this.#under = null;
    this.isLoading.value = false;
  }

  /** The beginning of a page of which something is wanted that has not come. */
  #missing(): { at: number; cursor: string | null } | null {
    const items = this.items.peek();
    if (this.#next === undefined) return { at: 0, cursor: null };
    const [first, last] = this.#wanted;
    for (let index = first; index < Math.min(last, items.length); index++) {
      if (items[index] !== undefined) continue;
      const part = Math.floor(index / PAGE);
      return { at: part * PAGE, cursor: this.#cursors[part - 1] ?? null };
    }
    return this.#next !== null && last > items.length - NEAR_END ? { at: items.length, cursor: this.#next } : null;
  }

  #put(at: number, page: readonly T[], next: string | null): void {
    const items = this.items.value.slice();
    for (const [index, item] of page.entries()) items[at + index] = item;
    if (next === null) items.length = at + page.length;
    if (this.#cursors.length === 0 || next === null) this.#next = next;
    this.isWhole.value = this.#next === null;
    this.items.value = items;
  }

  async #compare(signal: AbortSignal): Promise<void> {
    const page = await this.source.page(null, signal);
    this.#isOld = false;
    if (JSON.stringify(page.items) === JSON.stringify(this.items.peek().slice(0, page.items.length))) return;
    this.#cursors = [];
    this.#isCounted = false;
    this.items.value = [];
    this.#put(0, page.items, page.next);
    await this.#count(signal); // what is wanted may be far from here
  }

  async #count(signal: AbortSignal): Promise<void> {
    if (this.#isCounted || this.#next === null) return;
    this.#isCounted = true;
    // Where it cannot be counted, one reads on page by page.
    const parts = await this.source.parts?.(signal).catch(() => null);
    if (signal.aborted) this.#isCounted = false;
    if (!parts || this.#next === null || signal.aborted) return;
    const items = this.items.value.slice(0, parts.count);
    while (items.length < parts.count) items.push(undefined);
    this.#cursors = parts.cursors;
    this.#next = null;
    this.isWhole.value = true;
    this.items.value = items;
  }
}

const kept = new Map<string, LongList<unknown>>();

/** The list of an address: the same again for who goes back to it, where it was, and a new one for all others. */
export function listOf<T>(address: string, isBack: boolean, source: () => Source<T>): LongList<T> {
  const before = isBack ? (kept.get(address) as LongList<T> | undefined) : undefined;
  before?.lookAgain();
  const list = before ?? new LongList(source());
  kept.delete(address);
  kept.set(address, list as LongList<unknown>);
  for (const old of kept.keys()) if (kept.size > KEPT) kept.delete(old);
  return list;
}

effect(() => {
  if (state.value === "signed-out") kept.clear();
});
