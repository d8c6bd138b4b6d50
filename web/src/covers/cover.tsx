// What does a song look like? Its cover, or a sleeve in a colour of its own with the first letter of its title.
import { useEffect, useState } from "preact/hooks";
import { cover, knownCover } from "./covers";
import "./cover.css";

interface Pictured {
  id: string;
  title: string;
  has_cover?: boolean;
}

/** Long enough that songs which fly by while somebody scrolls are not asked for, in milliseconds. */
const GLANCE_MS = 120;

/** Fills the box that `class` gives it. It says nothing to screen readers: the title stands beside it. */
export function Cover({ song, class: more }: { song: Pictured; class?: string }) {
  const address = useCover(song);
  return (
    <span
      class={`cover ${more ?? ""}`}
      style={{ "--hue": hue(song.title) }}
      data-initial={address ? "" : initial(song.title)}
      aria-hidden="true"
    >
      {address && <img src={address} alt="" decoding="async" draggable={false} />}
    </span>
  );
}

/** The address of a song's cover once it is there. */
export function useCover(song: Pictured | null): string | null {
  const id = song && song.has_cover !== false ? song.id : null;
  const [, setRound] = useState(0);
  useEffect(() => {
    if (id === null || knownCover(id) !== undefined) return;
    let isCurrent = true;
    const timer = setTimeout(() => void cover(id).then(() => isCurrent && setRound((round) => round + 1)), GLANCE_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [id]);
  return id === null ? null : (knownCover(id) ?? null);
}

function initial(title: string): string {
  return (/[\p{L}\p{N}]/u.exec(title)?.[0] ?? "♪").toLocaleUpperCase();
}

/** A colour that is always the same for a title, in degrees. */
function hue(title: string): number {
  let sum = 0;
  for (const letter of title) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 360;
  return sum;
}
