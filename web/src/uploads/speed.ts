// How fast is it, and how long will it take? Over the last ten seconds, so that it neither jumps nor lags.
const WINDOW_MS = 10_000;
const LEAST_MS = 1500;

export class Speed {
  private readonly samples: { at: number; bytes: number }[] = [];

  /** Note how many bytes have been sent in all at a moment, in milliseconds. */
  note(bytes: number, at: number): void {
    const last = this.samples.at(-1);
    if (last && bytes < last.bytes) this.samples.length = 0; // parts are sent again
    this.samples.push({ at, bytes });
    while (this.samples[0] && this.samples[0].at < at - WINDOW_MS) this.samples.shift();
  }

  /** Bytes a second, or null while too little is known. */
  get perSecond(): number | null {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (!first || !last || last.at - first.at < LEAST_MS) return null;
    return ((last.bytes - first.bytes) / (last.at - first.at)) * 1000;
  }

  forget(): void {
    this.samples.length = 0;
  }
}

/** Seconds for the rest; null where nobody knows. */
export function secondsLeft(bytes: number, perSecond: number | null): number | null {
  return perSecond === null || perSecond < 1 ? null : bytes / perSecond;
}
