// How is a list of 50,000 things shown, and gone through by keys? Only what is seen exists; all have the same size.
import type { ComponentChildren, RefObject } from "preact";
import { useImperativeHandle, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

/** What others do with a list. */
export interface ListHandle {
  /** Bring a thing into sight, and the focus to it. */
  focus: (index: number) => void;
}

interface VirtualListProps {
  label: string;
  count: number;
  height_px: number;
  columns?: number;
  /** `isReached`: whether Tab comes here; of a whole list it comes to one thing, and arrows go to the others. */
  item: (index: number, isReached: boolean) => ComponentChildren;
  /** What is seen, or about to be. */
  onSight: (first: number, last: number) => void;
  /** A key that moves nothing was pressed at a thing. */
  onKey?: (event: KeyboardEvent, index: number) => void;
  handle: RefObject<ListHandle | null>;
}

/** So far above and below what is seen rows exist too. */
const SPARE_PX = 512;

export function VirtualList({ label, count, height_px, columns = 1, item, onSight, onKey, handle }: VirtualListProps) {
  const list = useRef<HTMLUListElement>(null);
  const [[first, last], setRange] = useState<readonly [number, number]>([0, 0]);
  const [reachedBefore, setReached] = useState(0);
  const reached = Math.min(reachedBefore, count - 1);
  const sight = useRef(onSight);
  sight.current = onSight;
  useLayoutEffect(() => {
    const look = () => {
      const top_px = -(list.current?.getBoundingClientRect().top ?? 0);
      const from = Math.max(0, Math.floor((top_px - SPARE_PX) / height_px)) * columns;
      const to = Math.min(count, Math.max(0, Math.ceil((top_px + innerHeight + SPARE_PX) / height_px)) * columns);
      setRange((before) => (before[0] === from && before[1] === to ? before : [from, to]));
      sight.current(from, to);
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [count, height_px, columns]);
  // Whenever something has come, the focus may go to it.
  useLayoutEffect(() => {
    const ul = list.current;
    if (ul && document.activeElement === ul) focusable(ul, reached)?.focus({ preventScroll: true });
  });

  const focus = (index: number) => {
    const ul = list.current;
    if (!ul || index < 0 || index >= count) return;
    setReached(index);
    reveal(ul, Math.floor(index / columns) * height_px, height_px);
    // What is not there yet gets the focus as soon as it is.
    (focusable(ul, index) ?? ul).focus({ preventScroll: true });
  };
  useImperativeHandle(handle, () => ({ focus }));
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const page = columns * Math.max(1, Math.floor(innerHeight / height_px) - 3);
    const to = {
      ArrowDown: reached + columns,
      ArrowUp: reached - columns,
      ...(columns > 1 ? { ArrowRight: reached + 1, ArrowLeft: reached - 1 } : {}),
      PageDown: Math.min(reached + page, count - 1),
      PageUp: Math.max(reached - page, 0),
      Home: 0,
      End: count - 1,
    }[event.key];
    if (to === undefined) return onKey?.(event, reached);
    event.preventDefault();
    focus(to);
  };

  const shown = Array.from({ length: Math.max(0, Math.min(last, count) - first) }, (_, offset) => first + offset);
  // It exists even where it is not seen, because it may have the focus.
  if (reached >= 0 && (reached < first || reached >= last)) shown.push(reached);
  return (
    <ul
      class="virtual-list"
      aria-label={label}
      ref={list}
      tabIndex={-1}
      style={{ height: `${Math.ceil(count / columns) * height_px}px` }}
      onKeyDown={onKeyDown}
    >
      {shown.map((index) => (
        <li
          key={index}
          aria-setsize={count}
          aria-posinset={index + 1}
          style={{
            width: `${100 / columns}%`,
            height: `${height_px}px`,
            transform: `translate(${100 * (index % columns)}%, ${Math.floor(index / columns) * height_px}px)`,
          }}
          onFocusIn={() => setReached(index)}
        >
          <Item item={item} index={index} isReached={index === reached} />
        </li>
      ))}
    </ul>
  );
}

/** Made anew only when it is another: scrolling leaves those alone that stay in sight. */
function Item({ item, index, isReached }: { item: VirtualListProps["item"]; index: number; isReached: boolean }) {
  return <>{useMemo(() => item(index, isReached), [item, index, isReached])}</>;
}

function focusable(list: Element, index: number): HTMLElement | null {
  return list.querySelector<HTMLElement>(`[aria-posinset="${index + 1}"] :is(a, button)`);
}

/** Scroll so far that a row of the list is seen, and not hidden by what is fixed above and below. */
function reveal(list: Element, offset_px: number, height_px: number): void {
  const top_px = list.getBoundingClientRect().top + offset_px;
  const style = getComputedStyle(list);
  const [above_px, below_px] = [Number.parseFloat(style.scrollMarginTop), Number.parseFloat(style.scrollMarginBottom)];
  if (top_px < above_px) scrollBy({ top: top_px - above_px });
  else if (top_px + height_px > innerHeight - below_px) scrollBy({ top: top_px + height_px - innerHeight + below_px });
}
