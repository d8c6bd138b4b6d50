// What does a file say of itself? Read in the browser, by a library that is loaded with the first file.
export interface FileTags {
  title?: string;
  artist?: string;
  album?: string;
  year?: number;
  isrc?: string;
}

/** The tags of a file; null where they cannot be read here: the service looks again. */
export async function readTags(file: File): Promise<FileTags | null> {
  try {
    const { parseBlob } = await import("music-metadata");
    const { common } = await parseBlob(file, { duration: false, skipCovers: true });
    return {
      ...(common.title && { title: common.title }),
      ...(common.artist && { artist: common.artist }),
      ...(common.album && { album: common.album }),
      ...(common.year && { year: common.year }),
      ...(common.isrc?.[0] && { isrc: common.isrc[0] }),
    };
  } catch {
    return null;
  }
}

/** What a file without a title is called by its name: "03 - Artist - Title.mp3", "03. Title.flac", "Title.wav". */
export function namedBy(fileName: string, tags: FileTags): FileTags {
  const words = fileName
    .replace(/\.[^.]+$/, "")
    .replaceAll("_", " ")
    .replace(/^\s*\d{1,3}\s*[-.]\s*(?=\S)/, "")
    .trim();
  const [artist, ...rest] = words.split(/\s+[-\u2013]\s+/);
  const title = rest.join(" - ");
  if (artist && title && !tags.artist) return { artist, title };
  return words ? { title: words } : {};
}
