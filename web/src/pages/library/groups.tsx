// Which artists are there, and which albums? Each leads to its songs.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Cover } from "../../covers/cover";
import { EmptyState, ProblemNote } from "../../ui/notice";
import { Skeleton } from "../../ui/waiting";
import { LibraryFrame } from "./frame";
import type { Source } from "./long-list";
import { useListShortcut } from "./song-list";
import { countWords, useList } from "./use-list";
import { type ListHandle, VirtualList } from "./virtual-list";
import { address, type Tab, useWish, type Wish } from "./wish";

const NARROWEST_PX = 160;
/** Below the picture of a group, for each line of words. */
const LINE_PX = 24;

/** What an artist and an album have in common. */
interface Group {
  name: string;
  songs: number;
  cover_song_id: string | null;
}

interface GroupsProps<G> {
  tab: Tab;
  /** "artist" or "album". */
  one: string;
  source: (wish: Wish) => Source<G>;
  card: (group: G, wish: Wish) => { words: string; note?: string; href: string };
}

export function Groups<G extends Group>({ tab, one, source, card }: GroupsProps<G>) {
  const { wish, want, isBack } = useWish();
  const key = `${one} ${address("", { q: wish.q, mine: wish.mine })}`;
  const { list, items, isStale, isEmpty } = useList(key, isBack, () => source(wish));
  const handle = useRef<ListHandle>(null);
  const words_px = LINE_PX * (one === "artist" ? 3 : 4);
  useListShortcut(handle);
  return (
    <LibraryFrame
      title="Library"
      tab={tab}
      wish={wish}
      want={want}
      search={`Find an ${one}`}
      count={isStale || (isEmpty && !wish.q) ? "" : countWords(items.length, list.isWhole.value, one)}
      onDown={() => handle.current?.focus(0)}
    >
      <ProblemNote problem={list.problem.value} onRetry={() => list.retry()} />
      {isEmpty && (
        <EmptyState icon={wish.q ? "search" : "cover"} title={wish.q ? "Nothing fits" : `No ${one}s yet`}>
          <p>{wish.q ? `No ${one} begins so.` : `They appear as soon as there are songs.`}</p>
        </EmptyState>
      )}
      <Grid words_px={words_px}>
        {(columns, height_px) =>
          items.length > 0 ? (
            <VirtualList
              label={`${one}s`}
              count={items.length}
              height_px={height_px}
              columns={columns}
              handle={handle}
              onSight={(first, last) => list.want(first, last)}
              item={(index, isReached) => {
                const group = items[index];
                if (!group) return null;
                const { words, note, href } = card(group, wish);
                return (
                  <a class={`group group-${one}`} href={href} tabIndex={isReached ? 0 : -1}>
                    <Cover
                      class={one === "artist" ? "cover-round" : ""}
                      song={{
                        id: group.cover_song_id ?? "",
                        title: group.name || note || words,
                        has_cover: group.cover_song_id !== null,
                      }}
                    />
                    <strong class={group.name ? "" : "soft"}>{words}</strong>
                    {note !== undefined && <span>{note}</span>}
                    <span>{countWords(group.songs, true, "song")}</span>
                  </a>
                );
              }}
            />
          ) : (
            list.isLoading.value && (
              <div class="group-skeletons" aria-hidden="true" style={{ "--columns": columns }}>
                {Array.from({ length: 2 * columns }, (_, index) => (
                  <Skeleton key={index} height={`${height_px - 16}px`} />
                ))}
              </div>
            )
          )
        }
      </Grid>
    </LibraryFrame>
  );
}

/** As many columns as there is room for. */
function Grid({
  words_px,
  children,
}: {
  words_px: number;
  children: (columns: number, height_px: number) => ComponentChildren;
}) {
  const grid = useRef<HTMLDivElement>(null);
  const [width_px, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (!grid.current) return;
    setWidth(grid.current.clientWidth);
    const watch = new ResizeObserver(([entry]) => entry && setWidth(entry.contentRect.width));
    watch.observe(grid.current);
    return () => watch.disconnect();
  }, []);
  const columns = Math.max(2, Math.floor(width_px / NARROWEST_PX));
  return <div ref={grid}>{width_px > 0 && children(columns, Math.round(width_px / columns) + words_px)}</div>;
}
