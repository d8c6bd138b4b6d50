// How much may one still upload?
import { answer, api } from "../../api/client";
import { useLoaded } from "../../ui/loaded";
import { bytes } from "../../ui/words";
import { activity } from "../../uploads/activity";

export function Room() {
  const over = activity.value?.over ?? 0;
  const { value } = useLoaded(() => answer(api.GET("/v1/songs/usage")), [over]);
  if (!value) return null;
  const { songs, bytes: size } = value;
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
