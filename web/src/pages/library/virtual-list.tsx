// How is a list of 50,000 rows shown? Only the rows that are seen exist; all have the same height.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

interface VirtualListProps {
  label: string;
  count: number;
  rowHeight_px: number;
  /** A row that exists even where it is not seen, because it has the focus; -1 for none. */
  keep: number;
  row: (index: number) => ComponentChildren;
  /** The last rows are near. */
  onNearEnd: () => void;
}

/** How many rows exist above and below those that are seen. */
const SPARE = 8;
const NEAR_END = 40;

export function VirtualList({ label, count, rowHeight_px, keep, row, onNearEnd }: VirtualListProps) {
  const list = useRef<HTMLUListElement>(null);
  const [[first, last], setRange] = useState<readonly [number, number]>([0, 30]);
  const nearEnd = useRef(onNearEnd);
  nearEnd.current = onNearEnd;
  useLayoutEffect(() => {
    const look = () => {
      const top_px = -(list.current?.getBoundingClientRect().top ?? 0);
      const from = Math.max(0, Math.floor(top_px / rowHeight_px) - SPARE);
      const to = Math.min(count, Math.ceil((top_px + innerHeight) / rowHeight_px) + SPARE);
      setRange((before) => (before[0] === from && before[1] === to ? before : [from, to]));
      if (to > count - NEAR_END) nearEnd.current();
    };
    look();
    addEventListener("scroll", look, { passive: true });
    addEventListener("resize", look);
    return () => {
      removeEventListener("scroll", look);
      removeEventListener("resize", look);
    };
  }, [count, rowHeight_px]);

  const shown = Array.from({ length: Math.max(0, Math.min(last, count) - first) }, (_, offset) => first + offset);
  if (keep >= 0 && keep < count && (keep < first || keep >= last)) shown.push(keep);
  return (
    <ul class="virtual-list" aria-label={label} ref={list} style={{ height: `${count * rowHeight_px}px` }}>
      {shown.map((index) => (
        <li
          key={index}
          aria-setsize={count}
          aria-posinset={index + 1}
          style={{ height: `${rowHeight_px}px`, transform: `translateY(${index * rowHeight_px}px)` }}
        >
          {row(index)}
        </li>
      ))}
    </ul>
  );
}

/** Scroll so far that a row of the list is seen, and not hidden by what is fixed above and below. */
export function reveal(list: Element, index: number, rowHeight_px: number): void {
  const top_px = list.getBoundingClientRect().top + index * rowHeight_px;
  const style = getComputedStyle(list);
  const [above_px, below_px] = [Number.parseFloat(style.scrollMarginTop), Number.parseFloat(style.scrollMarginBottom)];
  if (top_px < above_px) scrollBy({ top: top_px - above_px });
  else if (top_px + rowHeight_px > innerHeight - below_px)
    scrollBy({ top: top_px + rowHeight_px - innerHeight + below_px });
}
