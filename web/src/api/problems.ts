// What went wrong, in words for people, and is there a way out?
import type { components } from "./schema";

export type Problem = components["schemas"]["Problem"];

/** An answer that is a refusal, or no answer at all. `code` is stable: compare it, never the words. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(
    readonly code: string,
    readonly status: number,
    /** A sentence for people. */
    override readonly message: string,
    /** When asking again makes sense, in milliseconds since 1970; null where it does not help or nobody knows. */
    readonly retryAt: number | null = null,
    /** Which field is wrong, by its name, for requests that were not understood. */
    readonly fields: Readonly<Record<string, string>> = {},
    readonly requestId: string | null = null,
  ) {
    super(message);
  }

  /** Whether the same request may succeed later. */
  get isPassing(): boolean {
    return this.code === "unreachable" || this.status === 429 || this.status >= 500;
  }
}

/** Sentences for codes whose own detail speaks of requests rather than to people. */
const WORDS: Readonly<Record<string, string>> = {
  invalid_request: "Something in the form is not right. Please check the fields.",
  internal_error: "Something went wrong on our side. It has been noted; please try again.",
  session_ended: "You have been signed out. Please log in again.",
  token_expired: "You have been signed out. Please log in again.",
  unreachable: "The server cannot be reached. Check your connection; we keep trying.",
};

/** Turn an answer into the error that it tells of. */
export function problemOf(response: Response, body: unknown): ProblemError {
  const problem: Partial<Problem> = typeof body === "object" && body !== null ? body : {};
  const code = problem.code ?? (response.status >= 500 ? "unavailable" : "unexpected");
  const detail = problem.detail ? sentence(problem.detail) : withoutWords(response.status);
  const fields = (problem.errors ?? []).map((one) => [
    one.pointer?.split("/").at(-1) ?? "",
    sentence(one.detail ?? ""),
  ]);
  return new ProblemError(
    code,
    response.status,
    WORDS[code] ?? detail,
    retryAt(response),
    Object.fromEntries(fields),
    problem.request_id ?? null,
  );
}

// What stands before the service answers without a word of ours while that is down.
function withoutWords(status: number): string {
  return status >= 500
    ? "The server cannot answer now. Please try again in a moment."
    : "The server gave an answer that makes no sense here.";
}

/** What a failed `fetch` means. */
export function unreachable(): ProblemError {
  return new ProblemError("unreachable", 0, WORDS.unreachable ?? "");
}

/** Anything thrown, as a problem; a mistake of our own is told to the console too. */
export function asProblem(thrown: unknown): ProblemError {
  if (thrown instanceof ProblemError) return thrown;
  reportError(thrown);
  return new ProblemError("page_failed", 0, "This page made a mistake. Reload it and try again.");
}

/** When `Retry-After` says to come back, in milliseconds since 1970. */
export function retryAt(response: Response, now = Date.now()): number | null {
  const value = response.headers.get("Retry-After");
  if (value === null) return null;
  const at = /^\d+$/.test(value) ? now + Number(value) * 1000 : Date.parse(value);
  return Number.isNaN(at) ? null : at;
}

/** Words as a sentence: a capital at the beginning, a full stop at the end. */
export function sentence(text: string): string {
  const clean = text.trim();
  if (!clean) return clean;
  const first = clean[0]?.toUpperCase() + clean.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
