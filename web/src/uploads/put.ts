// How are bytes sent to the bucket? By a signed request, with progress, which `fetch` does not tell.
import { ProblemError, retryAt } from "../api/problems";

export interface SignedRequest {
  method: string;
  url: string;
  headers: Record<string, string>;
}

/** Nothing moves for so long: the connection is dead, though nobody has said so. */
const STALLED_MS = 60_000;

/** Send a body. Throws a `ProblemError`: with status 0 for a lost connection; a refused signature is `signature_refused`. */
export function put(
  request: SignedRequest,
  body: Blob,
  signal: AbortSignal,
  onProgress: (sent_bytes: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    let timer: ReturnType<typeof setTimeout>;
    const moving = () => {
      clearTimeout(timer);
      timer = setTimeout(() => sending.abort(), STALLED_MS);
    };
    const stop = () => sending.abort();
    signal.addEventListener("abort", stop);
    sending.upload.onprogress = (event) => {
      moving();
      onProgress(event.loaded);
    };
    sending.onload = () => (sending.status < 300 ? resolve() : reject(refusal(sending)));
    sending.onerror = () => reject(lost());
    sending.onabort = () => reject(signal.aborted ? signal.reason : lost());
    sending.onloadend = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    };
    sending.open(request.method, request.url);
    for (const [name, value] of Object.entries(request.headers)) sending.setRequestHeader(name, value);
    moving();
    sending.send(body);
  });
}

function lost(): ProblemError {
  return new ProblemError("unreachable", 0, "The connection was lost.");
}

function refusal(sending: XMLHttpRequest): ProblemError {
  const { status } = sending;
  if (status === 429 || status >= 500) {
    const after = sending.getResponseHeader("Retry-After");
    const at = retryAt(new Response(null, { headers: after === null ? {} : { "Retry-After": after } }));
    return new ProblemError("unavailable", status, "The store is busy.", at);
  }
  // An address that has expired, or an upload that the store does not know any more: a fresh one tells which.
  return new ProblemError("signature_refused", status, "The store did not take the file.");
}
