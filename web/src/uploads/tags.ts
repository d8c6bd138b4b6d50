// What does a file say of itself? Read in the browser, by a library that is loaded with the first file.
export interface FileTags {
  title?: string;
  artist?: string;
  album?: string;
  year?: number;
  isrc?: string;
}

/** The tags of a file; none where it has none or cannot be read: the service looks again. */
export async function readTags(file: File): Promise<FileTags> {
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
    return {};
  }
}
