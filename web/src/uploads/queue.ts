// Which files are on their way into the library? They go on while pages change, and after the tab was closed.
import { effect, signal } from "@preact/signals";
import { answer, api } from "../api/client";
import { asProblem, ProblemError } from "../api/problems";
import { account } from "../session/session";
import { toast } from "../ui/toast";
import { activity, MARK } from "./activity";
import { followPackage, followSong, isFate } from "./fate";
import { type Found, mayBeMusic } from "./found";
import { forget, remember } from "./memory";
import { orphans, tab } from "./orphans";
import { progress } from "./progress";
import { Speed } from "./speed";
import { namedBy, readTags } from "./tags";
import { FileGone, transfer } from "./transfer";
import { Turns } from "./turns";
import { newRecord, Upload, type UploadRecord, type Visibility } from "./upload";

/** Those of this tab, in the order in which they came. */
export const uploads = signal<readonly Upload[]>([]);
/** Who will see what is added next; null where nobody has said it, and the service decides. */
export const visibility = signal<Visibility | null>(null);

const MOST_FILES = 3;
/** Those that ask how much of them has arrived leave connections to everything else. */
const stockTurns = new Turns(2);
const TICK_MS = 500;
const speed = new Speed();
let running = 0;
let owner: string | null = null;
let readingTags = Promise.resolve();

addEventListener("beforeunload", (event) => {
  if (uploads.peek().some((upload) => upload.isSending)) event.preventDefault();
});
setInterval(tell, TICK_MS);
effect(() => {
  const user = account.value?.user_id ?? null;
  if (user !== owner) void changeOwner(user);
});

/** Put files into the queue; what cannot be music stays out, and what is known already goes on. */
export function add(found: readonly Found[]): void {
  if (owner === null || account.peek()?.role === "listener") return;
  const music = found.filter(({ file }) => mayBeMusic(file));
  const added: Upload[] = [];
  for (const one of music) {
    const known = uploads.peek().find((upload) => !upload.isOver && upload.isOf(one.file));
    if (known) give(known, one.file, one.handle);
    else added.push(new Upload(newRecord(one, owner, tab, visibility.peek()), one.file));
  }
  for (const upload of added) if (upload.record.size_bytes === 0) refuse(upload, "The file is empty.");
  uploads.value = [...added, ...uploads.peek()];
  void remember(...added.filter((upload) => !upload.isOver).map((upload) => upload.record));
  for (const upload of added) learnTags(upload);
  const left = found.length - music.length;
  if (left > 0)
    toast({
      words: left === 1 ? "One file is no music and was left out." : `${left} files are no music and were left out.`,
    });
  pump();
}

/** Stop sending; what has arrived stays. */
export function pause(...chosen: Upload[]): void {
  for (const upload of chosen.filter((each) => each.isSending)) {
    upload.phase.value = "paused";
    upload.record.isPaused = true;
    stop(upload);
    void remember(upload.record);
  }
  pump();
}

/** Go on, or try again. */
export function resume(...chosen: Upload[]): void {
  for (const upload of chosen) {
    if (upload.phase.value !== "paused" && upload.phase.value !== "failed") continue;
    upload.record.isPaused = false;
    upload.problem.value = null;
    upload.phase.value = upload.file === null && upload.handle === null ? "fileless" : "waiting";
    void remember(upload.record);
  }
  pump();
}

/** Ask the browser for the files that were on their way; call it in a click. Returns whether all of them are there. */
export async function regain(...chosen: Upload[]): Promise<boolean> {
  for (const upload of chosen.filter((each) => each.phase.value === "fileless")) {
    const permission = await upload.handle?.requestPermission?.({ mode: "read" }).catch(() => null);
    if (upload.handle && permission === "granted") upload.phase.value = "waiting";
  }
  pump();
  return chosen.every((upload) => upload.phase.value !== "fileless");
}

/** Give an upload up, and what has arrived of it. */
export async function cancel(upload: Upload): Promise<void> {
  stop(upload);
  remove([upload]);
  const { songId } = upload.record;
  if (songId !== null && upload.phase.value !== "ended") {
    const call = api.DELETE("/v1/songs/{song_id}", { params: { path: { song_id: songId } } });
    await answer(call).catch(() => undefined); // the service gives up by itself what is never finished
  }
  pump();
}

/** Take off the list what needs nothing any more. */
export function clearOver(): void {
  remove(uploads.peek().filter((upload) => upload.isOver));
}

/** Take an upload off the list whose story is over. */
export function dismiss(upload: Upload): void {
  stop(upload);
  remove([upload]);
}

function remove(gone: readonly Upload[]): void {
  uploads.value = uploads.peek().filter((upload) => !gone.includes(upload));
  void forget(...gone.map((upload) => upload.record));
  tell();
}

function stop(upload: Upload): void {
  upload.abort.abort();
  upload.abort = new AbortController();
}

function give(upload: Upload, file: File, handle: FileSystemFileHandle | null): void {
  upload.file = file;
  upload.handle = handle ?? upload.handle;
  if (upload.phase.peek() === "fileless") upload.phase.value = "waiting";
  learnTags(upload);
}

function refuse(upload: Upload, words: string): void {
  upload.problem.value = new ProblemError("refused_here", 0, words);
  upload.phase.value = "refused";
}

// One at a time, so that hundreds of files do not keep the disk from what is being sent.
function learnTags(upload: Upload): void {
  const { file } = upload;
  if (file === null || upload.learning !== null) return;
  readingTags = readingTags.then(async () => {
    const tags = await readTags(file);
    upload.record.named ??= tags === null || tags.title ? {} : namedBy(upload.record.name, tags);
    upload.tags.value = tags;
  });
  upload.learning = readingTags;
}

function pump(): void {
  for (const upload of uploads.peek()) {
    if (running >= MOST_FILES) break;
    if (upload.phase.peek() === "waiting") void run(upload);
  }
  tell();
}

async function run(upload: Upload): Promise<void> {
  const { signal } = upload.abort;
  running += 1;
  upload.phase.value = "sending";
  let isThere = false;
  try {
    const file = await open(upload);
    await upload.learning;
    if (upload.record.songId === null) await remember(upload.record); // so that it is registered only once
    signal.throwIfAborted();
    upload.song.value = await transfer(upload, file, signal, () => void remember(upload.record));
    upload.sent_bytes.value = upload.record.size_bytes;
    isThere = true;
  } catch (error) {
    if (!signal.aborted) fail(upload, error);
  } finally {
    running -= 1;
    pump();
  }
  if (isThere) await watch(upload, signal);
}

async function watch(upload: Upload, signal: AbortSignal): Promise<void> {
  const songId = upload.record.songId;
  if (songId === null) return;
  upload.phase.value = "followed";
  try {
    if (!isFate(upload.song.peek())) await followSong(upload, songId, signal);
    if (signal.aborted) return;
    upload.phase.value = "ended";
    upload.record.song = upload.song.peek();
    const isReady = upload.record.song?.status === "ready";
    // What is ready is in the library; everything else stays here until somebody has seen it.
    void (isReady ? forget(upload.record) : remember(upload.record));
    tell();
    if (isReady) await followPackage(upload, songId, signal);
  } catch (error) {
    if (!signal.aborted && upload.phase.peek() === "followed") fail(upload, error);
  }
}

async function open(upload: Upload): Promise<File> {
  if (upload.file === null && upload.handle !== null) {
    const permission = await upload.handle.queryPermission?.({ mode: "read" });
    const isAllowed = permission !== "denied" && permission !== "prompt";
    const file = isAllowed ? await upload.handle.getFile().catch(() => null) : null;
    if (file && !upload.isOf(file))
      throw new ProblemError("file_changed", 0, "The file has changed since. Cancel this, and add it as it is now.");
    if (file) give(upload, file, null);
  }
  if (upload.file === null) throw new FileGone();
  return upload.file;
}

/** Codes after which the same file is refused again. */
const FINAL = ["too_large", "quota_songs", "quota_bytes", "invalid_request", "role_missing", "idempotency_key_reused"];

function fail(upload: Upload, error: unknown): void {
  if (error instanceof FileGone) {
    upload.file = null;
    upload.phase.value = "fileless";
    return;
  }
  upload.problem.value = asProblem(error);
  if (upload.problem.value.code === "song_not_found") void forget(upload.record);
  upload.phase.value = FINAL.includes(upload.problem.value.code) ? "refused" : "failed";
  if (upload.phase.value === "refused") void forget(upload.record);
}

async function changeOwner(user: string | null): Promise<void> {
  for (const upload of uploads.peek()) upload.abort.abort();
  uploads.value = [];
  owner = user;
  if (user !== null) await adopt(user);
  tell();
}

/** Go on with the uploads of tabs that are gone. */
async function adopt(user: string): Promise<void> {
  const records = await orphans(user, new Set(uploads.peek().map((upload) => upload.record.id)));
  if (owner !== user) return;
  uploads.value = [...uploads.peek(), ...records.map(revived)];
  if (uploads.peek().length === 0) localStorage.removeItem(MARK);
  for (const upload of uploads.peek()) {
    const { songId } = upload.record;
    if (songId !== null && !upload.isOver) void takeStock(upload, songId);
  }
  pump();
}

function revived(record: UploadRecord): Upload {
  const upload = new Upload(record, null);
  if (record.song !== null) upload.phase.value = "ended";
  else if (record.isPaused) upload.phase.value = "paused";
  return upload;
}

/** Learn how much of an upload has arrived, before anything is sent; or that all of it has. */
async function takeStock(upload: Upload, songId: string): Promise<void> {
  const endTurn = await stockTurns.take();
  const call = api.GET("/v1/songs/{song_id}/upload", { params: { path: { song_id: songId } } });
  const known = await answer(call)
    .catch(() => null)
    .finally(endTurn);
  if (known === null || !["waiting", "paused", "fileless"].includes(upload.phase.peek())) return;
  upload.song.value = known.song;
  if (known.upload === null) {
    upload.sent_bytes.value = upload.record.size_bytes;
    await watch(upload, upload.abort.signal);
  } else if (known.upload.kind === "multipart") {
    const { arrived, parts } = known.upload;
    upload.sent_bytes.value = parts
      .filter((part) => arrived.includes(part.number))
      .reduce((sum, part) => sum + part.size_bytes, 0);
  }
}

/** Tell the navigation how far all are, and the next page whether there is something to go on with. */
function tell(): void {
  const all = uploads.peek();
  if (all.some((upload) => !upload.isOver)) localStorage.setItem(MARK, "1");
  const isAllGone = all.length === 0 && activity.peek() !== null;
  if (isAllGone && owner !== null) localStorage.removeItem(MARK);
  const next = all.length === 0 ? null : progress(all, speed);
  if (JSON.stringify(next) !== JSON.stringify(activity.peek())) activity.value = next;
}
