// What does a queue look like after something is moved, taken out or shuffled? What is heard stays what is heard.

/** Items, and which of them is heard. */
export interface Order<T> {
  readonly items: readonly T[];
  readonly at: number;
  /** The same items as they were in line before somebody shuffled them; null while nobody has. */
  readonly unshuffled: readonly T[] | null;
}

export type Repeat = "off" | "all" | "one";

/** The item at `from` stands at `to` afterwards. */
export function moved<T>(order: Order<T>, from: number, to: number): Order<T> {
  const { items, at } = order;
  const item = items[from];
  if (item === undefined || to < 0 || to >= items.length) return order;
  const next = items.toSpliced(from, 1).toSpliced(to, 0, item);
  const place = from === at ? to : at + Number(from > at && to <= at) - Number(from < at && to >= at);
  return { ...order, items: next, at: place };
}

/** Without the item at `index`; where that one was heard, the one after it is, or the last. */
export function without<T>(order: Order<T>, index: number): Order<T> {
  const { items, at, unshuffled } = order;
  const item = items[index];
  if (item === undefined) return order;
  const next = items.toSpliced(index, 1);
  return {
    items: next,
    at: Math.min(index < at ? at - 1 : at, next.length - 1),
    unshuffled: unshuffled?.toSpliced(unshuffled.indexOf(item), 1) ?? null,
  };
}

/** With more items at a place behind what is heard. */
export function withMore<T>({ items, at, unshuffled }: Order<T>, more: readonly T[], place: number): Order<T> {
  return { items: items.toSpliced(place, 0, ...more), at, unshuffled: unshuffled && [...unshuffled, ...more] };
}

/** What is heard first, then all others by chance. */
export function shuffled<T>({ items, at }: Order<T>): Order<T> {
  const rest = items.toSpliced(at, 1);
  for (let last = rest.length - 1; last > 0; last--) {
    const chosen = Math.floor(Math.random() * (last + 1));
    [rest[last], rest[chosen]] = [rest[chosen] as T, rest[last] as T];
  }
  return { items: [...items.slice(at, at + 1), ...rest], at: 0, unshuffled: items };
}

/** As it was before it was shuffled, with what has come since at the end. */
export function inOrder<T>({ items, at, unshuffled }: Order<T>): Order<T> {
  const next = unshuffled ?? items;
  return { items: next, at: next.indexOf(items[at] as T), unshuffled: null };
}

/** Which place follows, or null; `isByItself` where the one before has ended, so that repeating one counts. */
export function following<T>({ items, at }: Order<T>, repeat: Repeat, isByItself: boolean): number | null {
  if (at < 0) return null;
  if (isByItself && repeat === "one") return at;
  if (at + 1 < items.length) return at + 1;
  return repeat === "off" ? null : 0;
}
