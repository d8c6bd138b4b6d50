// How does a page follow server-sent events? By fetch: EventSource sends no Authorization header.
import { authorized } from "../session/session";
import { comeback } from "./comeback";
import { ProblemError, problemOf, unreachable } from "./problems";

export interface ServerEvent {
  readonly name: string;
  readonly id: string;
  readonly data: unknown;
}

/** Nothing came for so long, though there is a heartbeat every 15 s: the connection is dead, and nobody has said so. */
const SILENCE_MS = 45_000;

/**
 * Follow a stream until its end, or until `signal` aborts: `for await (const event of events(path, signal)) …`.
 *
 * A lost connection is made again, from the last event on, with growing pauses. An answer 204, or a stream that
 * `isLast` has seen the last event of, ends it. Throws a `ProblemError` where asking again does not help.
 */
export async function* events(
  path: string,
  signal: AbortSignal,
  isLast: (event: ServerEvent) => boolean = () => false,
): AsyncGenerator<ServerEvent, void> {
  let lastId = "";
  for (let failures = 0; !signal.aborted; failures++) {
    let retryAt: number | null = null;
    try {
      const headers = new Headers({ Accept: "text/event-stream" });
      if (lastId) headers.set("Last-Event-ID", lastId);
      const response = await authorized(new Request(new URL(path, location.origin), { headers, signal }));
      if (response.status === 204) return;
      if (!response.ok || response.body === null) throw problemOf(response, await response.json().catch(() => null));
      for await (const event of parse(response.body)) {
        failures = 0;
        lastId = event.id;
        yield event;
        if (isLast(event)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ProblemError && !error.isPassing) throw error;
      if (error instanceof ProblemError) retryAt = error.retryAt;
    }
    await comeback(failures, retryAt, signal).catch(() => undefined);
  }
}

/** Read the events of a body in the format of https://html.spec.whatwg.org/multipage/server-sent-events.html; data is JSON. */
export async function* parse(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent, void> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  let id = "";
  let name = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { value, done } = await unlessSilent(reader.read());
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) yield { name: name || "message", id, data: JSON.parse(data.join("\n")) };
          name = "";
          data = [];
          continue;
        }
        const [field, content] = split(line);
        if (field === "data") data.push(content);
        else if (field === "event") name = content;
        else if (field === "id") id = content;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function unlessSilent<T>(reading: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unreachable()), SILENCE_MS);
  });
  return Promise.race([reading, silence]).finally(() => clearTimeout(timer));
}

function split(line: string): [field: string, content: string] {
  const colon = line.indexOf(":");
  return colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
}
