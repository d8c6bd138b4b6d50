// Which uploads were not done when a page was closed? Kept in IndexedDB, which takes file handles too.
import type { UploadRecord } from "./upload";

const STORE = "uploads";
let opened: Promise<IDBDatabase> | null = null;

function database(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open("tunescout", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE, { keyPath: "id" });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
  return opened;
}

async function transact<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => T): Promise<T> {
  const transaction = (await database()).transaction(STORE, mode);
  const result = act(transaction.objectStore(STORE));
  await new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
  return result;
}

export async function recall(owner: string): Promise<UploadRecord[]> {
  const all = await transact("readonly", (store) => store.getAll() as IDBRequest<UploadRecord[]>);
  return all.result.filter((record) => record.owner === owner).sort((one, other) => one.addedAt - other.addedAt);
}

/** Keep these as they are now. Where the browser keeps nothing, uploads go on, only not after a reload. */
export async function remember(...records: UploadRecord[]): Promise<void> {
  await transact("readwrite", (store) => records.map((record) => store.put(record))).catch(() => undefined);
}

export async function forget(...records: UploadRecord[]): Promise<void> {
  await transact("readwrite", (store) => records.map((record) => store.delete(record.id))).catch(() => undefined);
}
