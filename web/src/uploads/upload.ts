// What is known of one file on its way into the library?
import { signal } from "@preact/signals";
import type { Schemas } from "../api/client";
import type { ProblemError } from "../api/problems";
import type { Found } from "./found";
import type { FileTags } from "./tags";

export type Song = Schemas["SongBody"];
export type Visibility = Song["visibility"];
export type PackageStatus = Schemas["PackageStatus"];

export type Phase =
  /** In line. */
  | "waiting"
  | "sending"
  /** The connection or the service is away; it goes on by itself. */
  | "interrupted"
  | "paused"
  /** The page was opened anew, and the browser did not keep the file: it must be given again. */
  | "fileless"
  /** The bytes are there; the service looks at them. */
  | "followed"
  /** The song has its fate: ready, duplicate or rejected. */
  | "ended"
  /** It cannot be a song, and nothing of it was sent; `problem` says why. */
  | "refused"
  /** Something went wrong; trying again may help. */
  | "failed";

/** What outlives the page. */
export interface UploadRecord {
  /** Also the idempotency key of its registration. */
  readonly id: string;
  readonly owner: string;
  readonly addedAt: number;
  readonly name: string;
  readonly folder: string;
  readonly size_bytes: number;
  readonly modifiedAt: number;
  readonly contentType: string;
  readonly visibility: Visibility | null;
  readonly handle: FileSystemFileHandle | null;
  /** The tab that sends it; another may go on when that one is gone. */
  tab: string;
  songId: string | null;
  /** What its name says where the file itself has no title; null until that is known. */
  named: FileTags | null;
  /** The song when its fate was known. */
  song: Song | null;
  isPaused: boolean;
}

export class Upload {
  readonly phase = signal<Phase>("waiting");
  readonly sent_bytes = signal(0);
  readonly problem = signal<ProblemError | null>(null);
  readonly song = signal<Song | null>(null);
  readonly packaged = signal<PackageStatus | null>(null);
  /** What the file says of itself; null until it was read, and where it cannot be. */
  readonly tags = signal<FileTags | null>(null);
  /** When the service last told something, by this machine's clock, in milliseconds since 1970. */
  readonly toldAt = signal(Date.now());
  file: File | null;
  handle: FileSystemFileHandle | null;
  abort = new AbortController();
  learning: Promise<void> | null = null;

  constructor(
    readonly record: UploadRecord,
    file: File | null,
  ) {
    this.file = file;
    this.handle = record.handle;
    this.song.value = record.song;
  }

  /** Whether this is the file that an upload of before was about. */
  isOf(file: File): boolean {
    const { name, size_bytes, modifiedAt } = this.record;
    return file.name === name && file.size === size_bytes && file.lastModified === modifiedAt;
  }

  /** How it is called here: what the service says, or the file, or its name. */
  get title(): string {
    const song = this.song.value;
    const bare = this.record.name.replace(/\.[^.]+$/, "");
    // Before it has read the file, the service calls a song like it; the tags that were read here are better.
    if (song && (song.title !== bare || song.status === "fingerprinted" || song.status === "ready")) return song.title;
    return this.tags.value?.title ?? this.record.named?.title ?? bare;
  }

  get isSending(): boolean {
    return ["waiting", "sending", "interrupted"].includes(this.phase.value);
  }

  get isOver(): boolean {
    return ["ended", "refused", "failed"].includes(this.phase.value);
  }
}

const TYPES = /^(audio\/[a-zA-Z0-9.+-]+|video\/(mp4|webm|ogg)|application\/ogg)$/;

export function newRecord(found: Found, owner: string, tab: string, visibility: Visibility | null): UploadRecord {
  const { file, handle, folder } = found;
  return {
    id: crypto.randomUUID(),
    owner,
    addedAt: Date.now(),
    name: file.name,
    folder,
    size_bytes: file.size,
    modifiedAt: file.lastModified,
    contentType: TYPES.test(file.type) ? file.type : "application/octet-stream",
    visibility,
    handle,
    tab,
    songId: null,
    named: null,
    song: null,
    isPaused: false,
  };
}
