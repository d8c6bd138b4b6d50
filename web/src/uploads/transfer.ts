// How do all bytes of a file get into the bucket, whatever happens on the way?
import { answer, api, type Schemas } from "../api/client";
import { comeback } from "../api/comeback";
import { asProblem } from "../api/problems";
import { put, type SignedRequest } from "./put";
import { Turns } from "./turns";
import type { Song, Upload } from "./upload";

/** The file cannot be read any more: it was changed, moved, or its disk is away. */
export class FileGone extends Error {}

interface Piece {
  request: SignedRequest;
  begin: number;
  end: number;
}

/** The bucket may be behind the same host as the API, which needs connections, too. */
const hereTurns = new Turns(3);
const elsewhereTurns = new Turns(8);
const MOST_AT_ONCE = 4;
/** What a closed tab may lose: parts that are on their way are sent again. */
const LOST_SHARE = 0.05;
/** How often in a row the store may refuse fresh signatures before that is its last word. */
const REFUSALS = 4;

/** Bring a file into the bucket and hand it over; goes on where an earlier try stopped. Ends when `signal` aborts. */
export async function transfer(
  upload: Upload,
  file: File,
  signal: AbortSignal,
  onRegistered: () => void,
): Promise<Song> {
  let refusals = 0;
  for (let failures = 0; ; failures++) {
    const before_bytes = upload.sent_bytes.peek();
    try {
      const { song, upload: way } = await register(upload, signal);
      upload.song.value = song;
      if (upload.record.songId !== song.id) {
        upload.record.songId = song.id;
        onRegistered();
      }
      upload.phase.value = "sending";
      upload.problem.value = null;
      if (way === null) return song;
      await sendMissing(upload, file, way, signal);
      return await answer(api.POST("/v1/songs/{song_id}/complete", { params: { path: { song_id: song.id } }, signal }));
    } catch (error) {
      signal.throwIfAborted();
      const problem = asProblem(error);
      const isRefusal = problem.code === "signature_refused" || problem.code === "upload_incomplete";
      if (!isRefusal && !problem.isPassing) throw problem;
      if (upload.sent_bytes.peek() > before_bytes) failures = refusals = 0; // a long way takes many signatures
      if (isRefusal) refusals += 1;
      if (refusals >= REFUSALS) throw problem;
      await assertReadable(file);
      upload.phase.value = "interrupted";
      upload.problem.value = problem;
      await comeback(failures, problem.retryAt, signal);
    }
  }
}

/** Register the song, or get fresh requests for the one that is registered. */
async function register({ record }: Upload, signal: AbortSignal): Promise<Schemas["RegisteredSong"]> {
  if (record.songId !== null)
    return answer(api.GET("/v1/songs/{song_id}/upload", { params: { path: { song_id: record.songId } }, signal }));
  const body = {
    file_name: record.name,
    size_bytes: record.size_bytes,
    content_type: record.contentType,
    ...(record.visibility && { visibility: record.visibility }),
    ...record.named,
  };
  return answer(api.POST("/v1/songs", { body, params: { header: { "idempotency-key": record.id } }, signal }));
}

type Way = NonNullable<Schemas["RegisteredSong"]["upload"]>;

async function sendMissing(upload: Upload, file: File, way: Way, signal: AbortSignal): Promise<void> {
  const pieces = missing(way, file.size);
  let arrived_bytes = file.size - pieces.reduce((sum, { begin, end }) => sum + end - begin, 0);
  const onWay = new Map<Piece, number>();
  const tell = () => {
    upload.sent_bytes.value = [...onWay.values()].reduce((sum, one) => sum + one, arrived_bytes);
  };
  tell();
  let failure: unknown = null;
  const work = async () => {
    while (failure === null) {
      const piece = pieces.shift();
      if (!piece) return;
      try {
        await send(file, piece, signal, (sent_bytes) => {
          onWay.set(piece, sent_bytes);
          tell();
        });
        arrived_bytes += piece.end - piece.begin;
      } catch (error) {
        failure ??= error; // the others finish what they have on the way
      } finally {
        onWay.delete(piece);
        tell();
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce(way, file.size) }, work));
  if (failure !== null) throw failure;
}

async function send(file: File, piece: Piece, signal: AbortSignal, onProgress: (sent: number) => void): Promise<void> {
  const isHere = new URL(piece.request.url).origin === location.origin;
  const endTurn = await (isHere ? hereTurns : elsewhereTurns).take();
  try {
    signal.throwIfAborted();
    const size = piece.end - piece.begin;
    await put(piece.request, file.slice(piece.begin, piece.end), signal, (sent) => onProgress(Math.min(sent, size)));
  } finally {
    endTurn();
  }
}

/** What the store does not have yet. */
export function missing(way: Way, size_bytes: number): Piece[] {
  if (way.kind === "single") return [{ request: way.request, begin: 0, end: size_bytes }];
  const arrived = new Set(way.arrived);
  return way.parts
    .filter((part) => !arrived.has(part.number))
    .map((part) => {
      const begin = (part.number - 1) * way.part_size_bytes;
      return { request: part, begin, end: begin + part.size_bytes };
    });
}

/** How many parts are on their way together: so many that what is lost with the tab is little. */
export function atOnce(way: Way, size_bytes: number): number {
  if (way.kind === "single") return 1;
  return Math.min(MOST_AT_ONCE, Math.max(1, Math.floor((LOST_SHARE * size_bytes) / way.part_size_bytes)));
}

async function assertReadable(file: File): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new FileGone();
  }
}
