// How does a page show a long list? What is asked for stays until something else has come, and one comes back to one's place.
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { type LongList, listOf, type Source } from "./long-list";

export interface Shown<T> {
  list: LongList<T>;
  items: readonly (T | undefined)[];
  /** Whether these are the items of another address than the present one, which has not come yet. */
  isStale: boolean;
  /** Whether there is nothing, and nothing to come. */
  isEmpty: boolean;
}

export function useList<T>(address: string, isBack: boolean, source: () => Source<T>): Shown<T> {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the address says all that the source depends on.
  const list = useMemo(() => listOf(address, isBack, source), [address]);
  const before = useRef(list);
  const items = list.items.value;
  const isStale = items.length === 0 && list.isLoading.value && before.current !== list;
  useEffect(() => {
    if (!isStale) before.current = list;
  }, [isStale, list]);
  useLayoutEffect(() => {
    list.want(0, 1);
    const there_px = list.scrolled_px;
    scrollTo(0, 0);
    // As soon as what was seen there is there again.
    const frame = requestAnimationFrame(() => there_px > 0 && scrollTo(0, there_px));
    const note = () => {
      list.scrolled_px = scrollY;
    };
    addEventListener("scroll", note, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", note);
      list.stop();
    };
  }, [list]);
  return {
    list,
    items: isStale ? before.current.items.value : items,
    isStale,
    isEmpty: items.length === 0 && !list.isLoading.value && list.problem.value === null,
  };
}

/** "1 song", "50,000 songs"; nothing as long as nobody knows how many. */
export function countWords(count: number, isWhole: boolean, one: string): string {
  return isWhole ? `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}` : "";
}
