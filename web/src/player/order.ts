// What does a queue look like after something is moved, taken out or shuffled? What is heard stays what is heard.

/** Items, and which of them is heard. */
export interface Order<T> {
  readonly items: readonly T[];
  readonly at: number;
}

export type Repeat = "off" | "all" | "one";

/** The item at `from` stands at `to` afterwards. */
export function moved<T>({ items, at }: Order<T>, from: number, to: number): Order<T> {
  const item = items[from];
  if (item === undefined || to < 0 || to >= items.length) return { items, at };
  const next = items.toSpliced(from, 1).toSpliced(to, 0, item);
  return { items: next, at: from === at ? to : at + Number(from > at && to <= at) - Number(from < at && to >= at) };
}

/** Without the item at `index`; where that one was heard, the one after it is, or the last. */
export function without<T>({ items, at }: Order<T>, index: number): Order<T> {
  const next = items.toSpliced(index, 1);
  return { items: next, at: Math.min(index < at ? at - 1 : at, next.length - 1) };
}

/** More items right after what is heard. */
export function withNext<T>({ items, at }: Order<T>, more: readonly T[]): Order<T> {
  return { items: items.toSpliced(at + 1, 0, ...more), at };
}

/** What is heard first, then all others by chance. */
export function shuffled<T>({ items, at }: Order<T>): Order<T> {
  const rest = items.toSpliced(at, 1);
  for (let last = rest.length - 1; last > 0; last--) {
    const chosen = Math.floor(Math.random() * (last + 1));
    [rest[last], rest[chosen]] = [rest[chosen] as T, rest[last] as T];
  }
  return { items: [...items.slice(at, at + 1), ...rest], at: 0 };
}

/** Which place follows, or null; `isByItself` where the one before has ended, so that repeating one counts. */
export function following<T>({ items, at }: Order<T>, repeat: Repeat, isByItself: boolean): number | null {
  if (at < 0) return null;
  if (isByItself && repeat === "one") return at;
  if (at + 1 < items.length) return at + 1;
  return repeat === "off" ? null : 0;
}
