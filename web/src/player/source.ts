// Where do a song's bytes come from? HLS by hls.js, or by the browser itself, or the file as it was uploaded.
import { answer, api } from "../api/client";

export interface Source {
  /** When its addresses end, in milliseconds since 1970. */
  readonly expiresAt: number;
  /** Whether the sound goes through the graph; a browser that plays HLS by itself may not let it. */
  readonly isInGraph: boolean;
  detach: () => void;
}

interface Attachment {
  songId: string;
  /** Where somebody will begin, in seconds. */
  at_s: number;
  signal: AbortSignal;
  /** Nothing comes any more, and the browser or hls.js has tried again in vain. */
  onFailure: () => void;
}

/** Let an element play a song. Throws a `ProblemError` where the service refuses. */
export async function attach(
  element: HTMLAudioElement,
  { songId, at_s, signal, onFailure }: Attachment,
): Promise<Source> {
  const stream = await answer(api.GET("/v1/songs/{song_id}/stream", { params: { path: { song_id: songId } }, signal }));
  if (stream.package) {
    const { default: Hls } = await import("hls.js/light");
    signal.throwIfAborted();
    const expiresAt = Date.parse(stream.package.expires_at);
    const url = ofThisOrigin(stream.package.hls_url);
    if (Hls.isSupported()) {
      const hls = new Hls({
        enableWorker: false,
        maxBufferLength: 30,
        backBufferLength: 60,
        startPosition: at_s || -1,
      });
      hls.on(Hls.Events.ERROR, (_event, { fatal }) => fatal && queueMicrotask(onFailure)); // which ends hls.js
      hls.loadSource(url);
      hls.attachMedia(element);
      return { expiresAt, isInGraph: true, detach: () => hls.destroy() };
    }
    if (element.canPlayType("application/vnd.apple.mpegurl"))
      return { expiresAt, isInGraph: false, detach: native(element, url, onFailure) };
  }
  return {
    expiresAt: Date.parse(stream.expires_at),
    isInGraph: true,
    detach: native(element, stream.url, onFailure),
  };
}

/** The gain that makes a song as loud as the others, in dB; null while nobody knows yet. */
export async function loudnessGain(songId: string, signal: AbortSignal): Promise<number | null> {
  const found = await answer(
    api.GET("/v1/songs/{song_id}/loudness", { params: { path: { song_id: songId } }, signal }),
  );
  return "gain_db" in found ? found.gain_db : null;
}

function native(element: HTMLAudioElement, url: string, onFailure: () => void): () => void {
  element.src = url;
  element.addEventListener("error", onFailure);
  return () => {
    element.removeEventListener("error", onFailure);
    element.removeAttribute("src");
    element.load();
  };
}

// Manifests come from the gateway, which is where this page is from, by whatever name it was opened.
function ofThisOrigin(url: string): string {
  const { pathname, search } = new URL(url);
  return `${location.origin}${pathname}${search}`;
}
