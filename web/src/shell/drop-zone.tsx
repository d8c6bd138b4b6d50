// What happens to files that are dragged onto the window? Whoever has said `acceptDrops` gets them, on every page.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { Icon } from "../ui/icon";
import "./drop-zone.css";

export interface DropTarget {
  /** What will become of them: "Drop to upload". */
  words: string;
  /** Called in the event of the drop, while folders can still be read from it. */
  onDrop: (transfer: DataTransfer) => void;
}

const targets = signal<readonly DropTarget[]>([]);

/** Take dropped files from now on; the latest taker gets them. Returns how to stop. */
export function acceptDrops(target: DropTarget): () => void {
  targets.value = [...targets.value, target];
  return () => {
    targets.value = targets.value.filter((each) => each !== target);
  };
}

export function DropZone() {
  const [isOver, setOver] = useState(false);
  const target = targets.value.at(-1);
  useEffect(() => {
    if (!target) return;
    const over = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const drop = (event: DragEvent) => {
      setOver(false);
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      target.onDrop(event.dataTransfer);
    };
    addEventListener("dragover", over);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
    };
  }, [target]);
  if (!target || !isOver) return null;
  return (
    <div class="drop-zone" aria-hidden="true">
      <p>
        <Icon name="upload" size={40} /> {target.words}
      </p>
    </div>
  );
}
