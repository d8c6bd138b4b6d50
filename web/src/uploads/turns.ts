// How many may do something at once? Browsers open six connections to a host, so whoever takes all locks out the rest.
export class Turns {
  private readonly waiting: { isUrgent: boolean; begin: () => void }[] = [];
  private free: number;

  constructor(atOnce: number) {
    this.free = atOnce;
  }

  /** Wait for a turn; the answer ends it. Those in a hurry come first. */
  async take(isUrgent = true): Promise<() => void> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((begin) => this.waiting.push({ isUrgent, begin }));
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const urgent = this.waiting.findIndex((one) => one.isUrgent);
      const [next] = this.waiting.splice(Math.max(0, urgent), 1);
      if (next) next.begin();
      else this.free += 1;
    };
  }

  get isWanted(): boolean {
    return this.waiting.length > 0;
  }
}
