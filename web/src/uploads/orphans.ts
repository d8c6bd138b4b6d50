// Which uploads has a tab left behind that is gone? Each tab holds a lock by which the others know that it lives.
import { recall, remember } from "./memory";
import type { UploadRecord } from "./upload";

/** This tab, by the name that its uploads have. */
export const tab = crypto.randomUUID();
void navigator.locks.request(lockOf(tab), () => new Promise(() => undefined));

/** Take over the uploads of tabs that are gone, but those that are here; no other tab gets them then. */
export async function orphans(owner: string, here: ReadonlySet<string>): Promise<UploadRecord[]> {
  return await navigator.locks.request("tunescout.uploads.adopt", async () => {
    const held = new Set((await navigator.locks.query()).held?.map((lock) => lock.name));
    const found = (await recall(owner).catch(() => [])).filter(
      (record) => !here.has(record.id) && (record.tab === tab || !held.has(lockOf(record.tab))),
    );
    for (const record of found) record.tab = tab;
    await remember(...found);
    return found;
  });
}

function lockOf(name: string): string {
  return `tunescout.uploads.${name}`;
}
