// Which files did somebody drop, choose or paste? With a handle where the browser gives one: it outlives the page.
export interface Found {
  file: File;
  handle: FileSystemFileHandle | null;
  /** The folders above it, as far as they were dropped or chosen with it: "Album/CD 1", or "". */
  folder: string;
}

const ENDINGS = "aac aif aiff alac ape flac m4a m4b mka mp2 mp3 mp4 oga ogg opus wav webm wma wv".split(" ");
export const ACCEPTED = ["audio/*", ...ENDINGS.map((ending) => `.${ending}`)].join(",");

/** Whether a file may be music, by what it is called. What it is, the service finds out. */
export function mayBeMusic(file: { name: string; type: string }): boolean {
  if (file.name.startsWith(".")) return false;
  const ending = file.name.toLowerCase().split(".").at(-1) ?? "";
  return file.type.startsWith("audio/") || ENDINGS.includes(ending);
}

/** All files of a drop, folders opened; call it in the event itself, later the browser has forgotten them. */
export async function dropped(transfer: DataTransfer): Promise<Found[]> {
  const reads = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => {
      const file = item.getAsFile();
      const entry = item.webkitGetAsEntry();
      const asked = item.getAsFileSystemHandle?.() ?? Promise.resolve(null);
      return asked
        .catch(() => null)
        .then((handle) => {
          if (handle) return ofHandle(handle, "");
          if (entry?.isDirectory) return ofEntry(entry, "");
          return file ? [{ file, handle: null, folder: "" }] : [];
        });
    });
  return (await Promise.all(reads)).flat();
}

/** Files of an `<input type="file">`, of a folder too, or of the clipboard. */
export function chosen(files: Iterable<File>): Found[] {
  return [...files].map((file) => ({
    file,
    handle: null,
    folder: file.webkitRelativePath.split("/").slice(0, -1).join("/"),
  }));
}

/** Let somebody choose files; null where the browser has no such picker. */
export async function picked(): Promise<Found[] | null> {
  if (!window.showOpenFilePicker) return null;
  try {
    const handles = await window.showOpenFilePicker({
      multiple: true,
      types: [{ description: "Music", accept: { "audio/*": ENDINGS.map((ending) => `.${ending}`) } }],
    });
    return await Promise.all(handles.map(async (handle) => ({ file: await handle.getFile(), handle, folder: "" })));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return []; // they have changed their mind
    return null;
  }
}

async function ofHandle(handle: FileSystemHandle, folder: string): Promise<Found[]> {
  if (handle instanceof FileSystemFileHandle) return [{ file: await handle.getFile(), handle, folder }];
  if (!(handle instanceof FileSystemDirectoryHandle)) return [];
  const found: Found[] = [];
  for await (const child of handle.values()) found.push(...(await ofHandle(child, below(folder, handle.name))));
  return found;
}

async function ofEntry(entry: FileSystemEntry, folder: string): Promise<Found[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ file, handle: null, folder }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Found[] = [];
  for (;;) {
    // A reader gives at most a hundred at a time, and none at its end.
    const children = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (children.length === 0) return found;
    for (const child of children) found.push(...(await ofEntry(child, below(folder, entry.name))));
  }
}

function below(folder: string, name: string): string {
  return folder ? `${folder}/${name}` : name;
}
