// Are these two the same? Both play at once from where they agree, one is heard; the other changes with it in no time.
import { signal } from "@preact/signals";

export type Side = "upload" | "known";

const CHECK_MS = 200;
/** Above this the silent one jumps; below, it catches up by its speed, which nobody hears. */
const JUMP_S = 0.4;
const EXACT_S = 0.01;
const FASTEST = 0.1;

export class SideBySide {
  readonly heard = signal<Side>("upload");
  readonly isPlaying = signal(false);
  /** Where the upload is, in seconds. */
  readonly time_s = signal(0);
  readonly isBroken = signal(false);
  private readonly upload = new Audio();
  private readonly known = new Audio();
  private readonly fileUrl: string;
  private timer: ReturnType<typeof setInterval> | undefined;

  /** `offset_s` says where in the known song the upload begins; it may be negative. */
  constructor(
    file: File,
    knownUrl: string,
    private readonly offset_s: number,
  ) {
    this.fileUrl = URL.createObjectURL(file);
    this.upload.src = this.fileUrl;
    this.known.src = knownUrl;
    for (const element of [this.upload, this.known]) {
      element.preload = "auto";
      element.onended = () => this.pause();
      element.onerror = () => {
        this.isBroken.value = true;
        this.pause();
      };
    }
    this.seek(0);
    this.hear("upload");
  }

  /** The earliest place of the upload that the known song has, too. */
  get begin_s(): number {
    return Math.max(0, -this.offset_s);
  }

  async play(): Promise<void> {
    this.isPlaying.value = true;
    this.timer = setInterval(() => this.align(), CHECK_MS);
    try {
      await Promise.all([this.upload.play(), this.known.play()]);
    } catch {
      this.pause();
    }
  }

  pause(): void {
    clearInterval(this.timer);
    this.upload.pause();
    this.known.pause();
    this.isPlaying.value = false;
  }

  hear(side: Side): void {
    this.heard.value = side;
    this.upload.muted = side !== "upload";
    this.known.muted = side !== "known";
    this.upload.playbackRate = 1;
    this.known.playbackRate = 1;
  }

  seek(to_s: number): void {
    const time_s = Math.max(to_s, this.begin_s);
    this.upload.currentTime = time_s;
    this.known.currentTime = time_s + this.offset_s;
    this.time_s.value = time_s;
  }

  close(): void {
    this.pause();
    for (const element of [this.upload, this.known]) {
      element.onerror = null;
      element.removeAttribute("src");
      element.load();
    }
    URL.revokeObjectURL(this.fileUrl);
  }

  /** How far the known song is ahead of where it should be, in seconds. */
  get drift_s(): number {
    return this.known.currentTime - (this.upload.currentTime + this.offset_s);
  }

  private align(): void {
    this.time_s.value = this.upload.currentTime;
    const isKnownSilent = this.heard.peek() === "upload";
    const silent = isKnownSilent ? this.known : this.upload;
    const ahead_s = isKnownSilent ? this.drift_s : -this.drift_s;
    if (Math.abs(ahead_s) > JUMP_S) silent.currentTime -= ahead_s;
    else if (Math.abs(ahead_s) < EXACT_S) silent.playbackRate = 1;
    else silent.playbackRate = 1 - Math.max(-FASTEST, Math.min(FASTEST, ahead_s));
  }
}
