// What comes next, and in which order? Songs move by their buttons, by Alt and arrows, and by dragging.
import { useRef } from "preact/hooks";
import { Cover } from "../covers/cover";
import { Button, IconButton } from "../ui/button";
import { clearQueue, goTo, moveSong, player, position, queue, removeSong, type Song } from "./store";
import "./queue-list.css";

/** More than anybody looks through; the others move up as songs are played. */
const SHOWN = 100;

export function QueueList() {
  const list = useRef<HTMLOListElement>(null);
  const dragged = useRef<number | null>(null);
  const at = position.value;
  const rest = queue.value.length - at - SHOWN;
  const move = (from: number, to: number) => {
    if (to < at) return;
    moveSong(from, to);
    requestAnimationFrame(() => list.current?.querySelectorAll<HTMLElement>(".queue-song")[to - at]?.focus());
  };
  return (
    <div class="queue">
      <header class="queue-head">
        <h2>Queue</h2>
        <Button look="quiet" onClick={clearQueue}>
          Stop and clear
        </Button>
      </header>
      <ol class="queue-list" ref={list}>
        {queue.value.slice(at, at + SHOWN).map((song, offset) => {
          const index = at + offset;
          return (
            <QueueRow
              key={`${song.id}-${index}`}
              song={song}
              isCurrent={offset === 0}
              onChoose={() => (offset === 0 ? player.toggle() : goTo(index))}
              onMove={(by) => move(index, index + by)}
              onRemove={() => removeSong(index)}
              onDrag={() => {
                dragged.current = index;
              }}
              onDrop={() => dragged.current !== null && move(dragged.current, index)}
            />
          );
        })}
      </ol>
      {rest > 0 && <p class="soft queue-rest">and {rest.toLocaleString()} more</p>}
    </div>
  );
}

interface QueueRowProps {
  song: Song;
  isCurrent: boolean;
  onChoose: () => void;
  onMove: (by: number) => void;
  onRemove: () => void;
  onDrag: () => void;
  onDrop: () => void;
}

function QueueRow({ song, isCurrent, onChoose, onMove, onRemove, onDrag, onDrop }: QueueRowProps) {
  const onKeyDown = (event: KeyboardEvent) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Delete") onRemove();
    else if (by !== undefined && event.altKey) onMove(by);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <li
      class={isCurrent ? "queue-current" : ""}
      draggable
      onDragStart={onDrag}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        event.preventDefault();
        onDrop();
      }}
    >
      <button
        type="button"
        class="queue-song"
        aria-current={isCurrent || undefined}
        onClick={onChoose}
        onKeyDown={onKeyDown}
      >
        <Cover song={song} class="queue-cover" />
        <span class="song-words">
          <strong>{song.title}</strong>
          <span>{isCurrent ? "Now" : song.artist || "Unknown artist"}</span>
        </span>
      </button>
      <span class="queue-tools">
        {!isCurrent && <IconButton icon="up" label={`Move ${song.title} up`} onClick={() => onMove(-1)} />}
        {!isCurrent && <IconButton icon="down" label={`Move ${song.title} down`} onClick={() => onMove(1)} />}
        <IconButton icon="close" label={`Remove ${song.title} from the queue`} onClick={onRemove} />
      </span>
    </li>
  );
}
