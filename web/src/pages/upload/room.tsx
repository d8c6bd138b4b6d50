// How much may one still upload?
import type { Schemas } from "../../api/client";
import { bytes } from "../../ui/words";

export function Room({ songs, bytes: size }: Schemas["UsageBody"]) {
  const isFull = [songs, size].some(({ used, allowed }) => allowed !== null && used >= allowed);
  return (
    <p class={isFull ? "room room-full" : "room soft"}>
      {isFull && "There is no room for more. "}
      You keep {songs.used.toLocaleString()}
      {songs.allowed !== null && ` of ${songs.allowed.toLocaleString()}`} songs, {bytes(size.used)}
      {size.allowed !== null && ` of ${bytes(size.allowed)}`}.
    </p>
  );
}
