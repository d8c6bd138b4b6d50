// Which artist or album is this? Its picture, how to hear all of it, and the way back to the others.
import { Cover } from "../../covers/cover";
import { addToQueue, playSongs, type Song } from "../../player/store";
import { useAction } from "../../ui/action";
import { Button } from "../../ui/button";
import { ProblemNote } from "../../ui/notice";
import { toast } from "../../ui/toast";
import type { LongList } from "./long-list";
import { address, type Wish } from "./wish";

/** So many songs are put into the queue at once. */
const MOST_QUEUED = 500;

interface GroupHeadProps {
  wish: Wish;
  list: LongList<Song>;
  /** A song of it, once one is known. */
  first: Song | undefined;
}

export function GroupHead({ wish: { artist, album, mine }, list, first }: GroupHeadProps) {
  const all = useAction(async (use: (songs: Song[]) => void) => use(await list.first(MOST_QUEUED)));
  const shape = album === null ? "cover-round" : "";
  const name = nameWords({ artist, album });
  const queue = (songs: Song[]) => {
    addToQueue(songs);
    toast({ words: songs.length === 1 ? "One song is added to the queue." : `${songs.length} songs are added.` });
  };
  return (
    <header class="group-head">
      {first ? <Cover song={{ ...first, title: name }} class={shape} /> : <span class={`cover ${shape}`} />}
      <div class="stack">
        <p class="soft">
          {album === null ? (
            "Artist"
          ) : artist ? (
            <>
              Album by <a href={address("/", { artist, mine })}>{artist}</a>
            </>
          ) : (
            "Album"
          )}
        </p>
        <div class="row">
          <Button icon="play" look="primary" isBusy={all.isBusy} onClick={() => all.run((songs) => playSongs(songs))}>
            Play all
          </Button>
          <Button icon="queue" look="quiet" onClick={() => all.run(queue)}>
            Add to the queue
          </Button>
        </div>
        <ProblemNote problem={all.problem} />
      </div>
    </header>
  );
}

/** How an artist or album is called. */
export function nameWords({ artist, album }: { artist: string | null; album: string | null }): string {
  return album === null ? artist || "Unknown artist" : album || "Unknown album";
}
