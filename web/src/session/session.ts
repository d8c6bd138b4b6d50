// Who is signed in here? The access token stays in memory; the refresh token is in a cookie that no script reads.
import { computed, signal } from "@preact/signals";
import { ProblemError, problemOf, unreachable } from "../api/problems";
import type { components } from "../api/schema";

export type Account = components["schemas"]["Account"];
type AccessToken = components["schemas"]["AccessToken"];
type SessionState = "starting" | "signed-in" | "signed-out" | "unreachable";

/** Where this page stands; `starting` until the first refresh has been answered. */
export const state = signal<SessionState>("starting");
/** Who is signed in, or null. */
export const account = signal<Account | null>(null);
/** Whether the server has ended the session, until the next one begins. */
export const hasEnded = signal(false);
export const isSignedIn = computed(() => state.value === "signed-in");

const MARK = "tunescout.session"; // whether there was a session, so that strangers cause no refused refresh
const UNDER_WAY = "tunescout.refreshing"; // since when a refresh has been under way, for pages that follow a closed one
const REFRESH_EARLY_MS = 60_000;
const ANSWER_BY_MS = 2000;
const DEADLINE_MS = 30_000;
const tabs = new BroadcastChannel("tunescout.session");

let token: string | null = null;
let expiresAt = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
let refreshing: Promise<void> | null = null;

/** Take up the session of before, if there is one. */
export async function start(): Promise<void> {
  tabs.onmessage = ({ data }) => (data === "out" ? forget() : void resume());
  addEventListener("online", () => state.value === "unreachable" && void resume());
  await resume();
}

async function resume(): Promise<void> {
  if (localStorage.getItem(MARK) === null) return forget();
  try {
    await refresh();
    const who = await me(); // somebody else may have logged in meanwhile, or they have got another role
    if (token === null) return; // logged out meanwhile
    account.value = who;
    state.value = "signed-in";
  } catch (error) {
    if (error instanceof ProblemError && !error.isPassing) return forget();
    if (account.value === null) state.value = "unreachable";
    const retryAt = error instanceof ProblemError ? error.retryAt : null;
    plan(Math.max(5000, (retryAt ?? 0) - Date.now()));
  }
}

export async function signUp(username: string, password: string, invite: string): Promise<void> {
  await post("signup", { username, password, invite: invite || null });
  await logIn(username, password);
}

export async function logIn(username: string, password: string): Promise<void> {
  await alone(async () => keep((await post("login", { username, password, session: "cookie" })) as AccessToken));
  localStorage.setItem(MARK, "1");
  account.value = await me();
  state.value = "signed-in";
  tabs.postMessage("in");
}

/** End this session, here and in all tabs. What the server does not hear it ends by itself when the token is too old. */
export async function logOut(): Promise<void> {
  await alone(() => post("logout"));
  leave();
}

/** Forget the session that the server has ended already. */
export function leave(): void {
  forget();
  tabs.postMessage("out");
}

function forget(): void {
  clearTimeout(timer);
  token = null;
  account.value = null;
  localStorage.removeItem(MARK);
  state.value = "signed-out";
}

/** A `fetch` for requests to the service: with the access token, and once more with a new one where it was refused. */
export async function authorized(request: Request): Promise<Response> {
  const again = request.clone();
  const first = await sent(await withToken(request));
  if (first.status !== 401 || token === null) return first;
  await refreshOrLeave();
  return sent(await withToken(again));
}

/** The access token for uses other than `authorized`, good for another minute at least; null when signed out. */
export async function accessToken(): Promise<string | null> {
  if (token !== null && Date.now() > expiresAt - REFRESH_EARLY_MS / 2) await refreshOrLeave();
  return token;
}

async function withToken(request: Request): Promise<Request> {
  const current = await accessToken();
  if (current !== null) request.headers.set("Authorization", `Bearer ${current}`);
  return request;
}

async function refreshOrLeave(): Promise<void> {
  try {
    await refresh();
  } catch (error) {
    if (error instanceof ProblemError && !error.isPassing) leave();
    throw error;
  }
}

/** Get the next access token; whoever asks meanwhile waits for the same answer. */
function refresh(): Promise<void> {
  refreshing ??= alone(async () => {
    await outlive();
    localStorage.setItem(UNDER_WAY, String(Date.now()));
    try {
      keep((await post("refresh")) as AccessToken);
    } catch (error) {
      hasEnded.value = error instanceof ProblemError && !error.isPassing;
      throw error;
    } finally {
      localStorage.removeItem(UNDER_WAY);
    }
  }).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

// A token that comes twice ends the session, so only one tab at a time may send it.
async function alone<T>(action: () => Promise<T>): Promise<T> {
  return navigator.locks ? await navigator.locks.request("tunescout.refresh", action) : await action();
}

// A page that was closed or reloaded while it refreshed gave up its lock, but its request goes on (`keepalive`), and
// its answer brings the next cookie. Before that, this one would send the old token a second time.
async function outlive(): Promise<void> {
  const since = Number(localStorage.getItem(UNDER_WAY) ?? 0);
  const waitMs = since + ANSWER_BY_MS - Date.now();
  if (since > 0 && waitMs > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, ANSWER_BY_MS)));
}

function keep(answer: AccessToken): void {
  token = answer.access_token;
  hasEnded.value = false;
  expiresAt = Date.now() + answer.expires_in_s * 1000;
  plan(Math.max(answer.expires_in_s * 1000 - REFRESH_EARLY_MS, 5000));
}

function plan(waitMs: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => void resume(), waitMs);
}

async function me(): Promise<Account> {
  const response = await sent(await withToken(new Request("/v1/auth/me")));
  if (!response.ok) throw problemOf(response, await response.json().catch(() => null));
  return response.json();
}

async function post(path: string, body?: unknown): Promise<unknown> {
  const response = await sent(
    new Request(`/v1/auth/${path}`, {
      method: "POST",
      keepalive: true,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    }),
  );
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw problemOf(response, answer);
  return answer;
}

// Music that is sent takes as long as its connection. All else is answered soon, or the connection is dead.
async function sent(request: Request): Promise<Response> {
  const late = new AbortController();
  const isSmall = request.method === "GET" || request.keepalive;
  const timer = isSmall ? setTimeout(() => late.abort(), DEADLINE_MS) : undefined;
  try {
    return await fetch(request, { signal: AbortSignal.any([request.signal, late.signal]) });
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw unreachable();
  } finally {
    clearTimeout(timer);
  }
}
