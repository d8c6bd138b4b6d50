// How far are all uploads together? The little that the navigation shows; the rest is loaded when there is something.
import { signal } from "@preact/signals";

export interface Activity {
  files: number;
  /** Whose fate is known, or that will not be sent. */
  over: number;
  sent_bytes: number;
  size_bytes: number;
  /** Bytes a second over the last seconds; null before there is anything to say. */
  speed: number | null;
  left_s: number | null;
  isSending: boolean;
  isResumable: boolean;
  /** Files that must be given again. */
  fileless: number;
}

/** Null while there are no uploads. */
export const activity = signal<Activity | null>(null);

/** In local storage while some uploads are not done, so that the next page looks for them. */
export const MARK = "tunescout.uploads";
