// How are states of uploads said, and how long they take?
import { bytes } from "../../ui/words";
import type { Upload } from "../../uploads/upload";

/** A time to wait for, no more exact than it is known. */
export function timeLeft(left_s: number): string {
  if (left_s < 10) return "a few seconds left";
  if (left_s < 60) return `${Math.ceil(left_s / 10) * 10} s left`;
  if (left_s < 3600) return `${Math.ceil(left_s / 60)} min left`;
  return `${(left_s / 3600).toFixed(1)} h left`;
}

export function percentOf(upload: Upload): number {
  const { size_bytes } = upload.record;
  return size_bytes === 0 ? 0 : Math.floor((100 * upload.sent_bytes.value) / size_bytes);
}

/** Where an upload stands, in a few words. */
export function stateOf(upload: Upload): string {
  const song = upload.song.value;
  switch (upload.phase.value) {
    case "waiting":
      return "In line";
    case "sending":
      return `${percentOf(upload)} % of ${bytes(upload.record.size_bytes)}`;
    case "interrupted":
      return navigator.onLine ? `Trying again, at ${percentOf(upload)} %` : `No network, at ${percentOf(upload)} %`;
    case "paused":
      return `Paused at ${percentOf(upload)} %`;
    case "fileless":
      return `Stopped at ${percentOf(upload)} %`;
    case "followed":
      return song?.status === "fingerprinted" ? "Comparing it with all others" : "Listening to it";
    case "refused":
      return "Not uploaded";
    case "failed":
      return "Failed";
    case "ended":
      return (
        { ready: "In your library", duplicate: "Known already", rejected: "Not taken" }[song?.status as string] ??
        "Deleted"
      );
  }
}
