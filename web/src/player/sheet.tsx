// What fills a phone while one listens? The cover, the sound, all buttons, and what comes next.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Cover } from "../covers/cover";
import { IconButton } from "../ui/button";
import { OrderButtons, Transport, Volume } from "./controls";
import { QueueList } from "./queue-list";
import { SeekBar } from "./seek-bar";
import { SoundSettings } from "./sound-settings";
import type { Song } from "./store";
import "./sheet.css";

export function Sheet({ song, onClose, children }: { song: Song; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      class="sheet"
      aria-label="Player"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header class="sheet-head">
        <IconButton icon="down" label="Close the player" onClick={onClose} />
      </header>
      <div class="sheet-song">
        <Cover song={song} class="sheet-cover" />
        <h2>{song.title}</h2>
        <p class="soft">{[song.artist || "Unknown artist", song.album].filter(Boolean).join(" · ")}</p>
      </div>
      {children}
      <SeekBar song={song} bars={56} />
      <div class="sheet-controls">
        <Transport />
        <div class="sheet-order">
          <OrderButtons />
          <Volume />
        </div>
      </div>
      <SoundSettings />
      <QueueList />
    </dialog>
  );
}
