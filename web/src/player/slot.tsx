// Where is the player? At the bottom of every page, as soon as something is played.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { current } from "./store";

/** Stands in the grid area `player`; the bar sets `--player-height` on the root element. */
export function PlayerSlot() {
  const [Bar, setBar] = useState<ComponentType | null>(null);
  const isWanted = current.value !== null;
  useEffect(() => {
    if (isWanted) void import("./bar").then((loaded) => setBar(() => loaded.Bar));
  }, [isWanted]);
  return isWanted && Bar ? <Bar /> : null;
}
