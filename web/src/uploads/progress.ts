// How far are all uploads together, and how long will they take?
import type { Activity } from "./activity";
import { type Speed, secondsLeft } from "./speed";
import type { Upload } from "./upload";

/** The sum of all uploads now, which `speed` takes note of. What will not be sent counts as a file, and not as bytes. */
export function progress(all: readonly Upload[], speed: Speed): Activity {
  const isSending = all.some((upload) => upload.isSending);
  let [size_bytes, sent_bytes] = [0, 0];
  for (const upload of all) {
    const phase = upload.phase.peek();
    if (phase === "refused") continue;
    size_bytes += upload.record.size_bytes;
    sent_bytes += phase === "ended" ? upload.record.size_bytes : upload.sent_bytes.peek();
  }
  if (isSending) speed.note(sent_bytes, performance.now());
  else speed.forget();
  return {
    files: all.length,
    over: all.filter((upload) => upload.isOver).length,
    sent_bytes,
    size_bytes,
    speed: speed.perSecond,
    left_s: secondsLeft(size_bytes - sent_bytes, speed.perSecond),
    isSending,
    isResumable: all.some((upload) => upload.phase.peek() === "paused"),
    fileless: all.filter((upload) => upload.phase.peek() === "fileless").length,
  };
}
