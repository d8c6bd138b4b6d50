// Where is the player? At the bottom of every page, as soon as something is played.

/** Stands in the grid area `player`; whoever fills it sets `--player-height` on the root element. */
export function PlayerSlot() {
  return null;
}
