// When does it make sense to ask again? When the service says, when the network is back, or after ever longer pauses.
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

/** Wait for the time of another try after so many failures in a row, and no shorter than until `retryAt`. */
export function comeback(failures: number, retryAt: number | null, signal: AbortSignal): Promise<void> {
  const backoffMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures) * (0.5 + Math.random() / 2);
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const ends = new AbortController();
    const end = (act: () => void) => () => {
      ends.abort();
      clearTimeout(timer);
      act();
    };
    const timer = setTimeout(end(resolve), Math.max(backoffMs, (retryAt ?? 0) - Date.now()));
    addEventListener("online", end(resolve), { signal: ends.signal });
    signal.addEventListener(
      "abort",
      end(() => reject(signal.reason)),
      { signal: ends.signal },
    );
  });
}
