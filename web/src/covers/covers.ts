// How does a page get the covers of many songs? Each is fetched once, a few at a time, and kept while it is likely to be seen.
import { authorized } from "../session/session";

const KEPT = 400;
const AT_ONCE = 4;

/** Addresses of pictures by song, oldest use first; null where there is none. */
const known = new Map<string, string | null>();
const wanted = new Map<string, Promise<string | null>>();
const waiting: (() => void)[] = [];
let underWay = 0;

/** The cover if it has come already; undefined where nobody has asked. */
export function knownCover(songId: string): string | null | undefined {
  const found = known.get(songId);
  if (found !== undefined) {
    known.delete(songId);
    known.set(songId, found);
  }
  return found;
}

/** The address of the cover of a song, or null where it has none or it does not come. */
export function cover(songId: string): Promise<string | null> {
  const found = knownCover(songId);
  if (found !== undefined) return Promise.resolve(found);
  let promise = wanted.get(songId);
  if (!promise) {
    promise = fetched(songId).finally(() => wanted.delete(songId));
    wanted.set(songId, promise);
  }
  return promise;
}

async function fetched(songId: string): Promise<string | null> {
  if (underWay >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  underWay += 1;
  try {
    // With the token, which an <img> does not send; the redirect leads to the bucket, which gets none.
    const response = await authorized(new Request(`/v1/songs/${encodeURIComponent(songId)}/cover`));
    if (response.status === 404) return keep(songId, null);
    return response.ok ? keep(songId, URL.createObjectURL(await response.blob())) : null;
  } catch {
    return null; // without its cover a song is still a song
  } finally {
    underWay -= 1;
    waiting.pop()?.(); // the latest is what somebody looks at now
  }
}

function keep(songId: string, address: string | null): string | null {
  known.set(songId, address);
  const oldest = known.keys().next().value;
  if (known.size > KEPT && oldest !== undefined) {
    const old = known.get(oldest);
    known.delete(oldest);
    if (old) URL.revokeObjectURL(old);
  }
  return address;
}
