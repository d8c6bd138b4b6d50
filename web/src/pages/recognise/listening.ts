// What is being recognised now? It goes on while pages change; `listen()` begins, `stop()` ends it.
import { signal } from "@preact/signals";
import { answer, api, type Schemas } from "../../api/client";
import { asProblem, ProblemError } from "../../api/problems";
import { bytes } from "../../ui/words";
import { BEGINNING_BYTES, beginningOf, clipOf } from "./clip";
import { Microphone, MicrophoneRefused, type Refusal } from "./microphone";

export type Answer = Schemas["Answer"];

/** Where an answer comes from, and when the clip had ended (`performance.now()`), if it is still going on. */
export interface Source {
  from: "microphone" | "file";
  fileName?: string;
  endedAt: number | null;
}

export type Stage =
  | { name: "ready" }
  | { name: "starting" }
  | { name: "listening"; asked: number }
  | { name: "asking"; source: Source }
  | { name: "answered"; answer: Answer; source: Source; loudestDbfs: number | null }
  | { name: "refused"; refusal: Refusal }
  | { name: "failed"; problem: ProblemError; again: () => Promise<void> };

/** When the service is asked with all that was heard so far, in seconds; the last is the end. */
export const ASK_AT_S = [2.5, 4, 6, 9, 12, 15] as const;
export const LONGEST_S = 15;

const DEADLINE_MS = 20_000;
const LONGEST_PAUSE_MS = 10_000;
const LEVEL_FLOOR_DBFS = -60;

export const stage = signal<Stage>({ name: "ready" });
/** How loud it is, from 0 to 1. */
export const level = signal(0);
/** How much was heard, in seconds. */
export const heardS = signal(0);
/** What the browser does to the sound although it was asked not to. */
export const processing = signal<readonly string[]>([]);

let under: AbortController | null = null;

/** Listen to the microphone until it is sure, for 15 s at most. */
export function listen(): Promise<void> {
  return alone(async (signal) => {
    stage.value = { name: "starting" };
    heardS.value = 0;
    const microphone = await Microphone.open(LONGEST_S, signal);
    let loudestDbfs = -120;
    microphone.onLevel = (dbfs) => {
      loudestDbfs = Math.max(loudestDbfs, dbfs);
      level.value = Math.max(0, 1 - dbfs / LEVEL_FLOOR_DBFS);
      heardS.value = microphone.heardS;
    };
    processing.value = microphone.processing;
    try {
      await ask(microphone, () => loudestDbfs, signal);
    } finally {
      microphone.close();
      level.value = 0;
    }
  });
}

/** Ask again and again, each time about all that was heard, until it is a match or there is no more. */
async function ask(microphone: Microphone, loudestDbfs: () => number, signal: AbortSignal): Promise<void> {
  let replaces: string | null = null;
  signal.addEventListener("abort", () => replaces && void forget(replaces));
  for (let asked = 0, askedS = 0; ; asked++) {
    stage.value = { name: "listening", asked };
    const nextS = ASK_AT_S.find((each) => each > askedS) ?? LONGEST_S;
    await microphone.until(nextS);
    signal.throwIfAborted();
    const { samples, sampleRate, endedAt } = microphone.recording();
    const isLast = microphone.heardS >= LONGEST_S || microphone.heardS < nextS;
    const source: Source = { from: "microphone", endedAt };
    if (isLast) stage.value = { name: "asking", source };
    askedS = samples.length / sampleRate;
    try {
      const said: Answer = await question(await clipOf(samples, sampleRate), signal, replaces);
      replaces = said.query_id;
      if (said.outcome !== "match" && !isLast) continue;
      stage.value = { name: "answered", answer: said, source, loudestDbfs: loudestDbfs() };
      return;
    } catch (error) {
      const problem = asProblemOf(error, signal);
      if (isLast || !problem.isPassing)
        throw new Failed(problem, () =>
          alone(async (next) => {
            stage.value = { name: "asking", source };
            const said = await question(await clipOf(samples, sampleRate), next, replaces);
            stage.value = { name: "answered", answer: said, source, loudestDbfs: loudestDbfs() };
          }),
        );
      await pause(Math.min(Math.max((problem.retryAt ?? 0) - Date.now(), 500), LONGEST_PAUSE_MS), signal);
    }
  }
}

/** Recognise what somebody has as a file. */
export function recogniseFile(file: File): Promise<void> {
  return alone(async (signal) => {
    const source: Source = { from: "file", fileName: file.name, endedAt: null };
    stage.value = { name: "asking", source };
    try {
      const said = await question(await fitting(beginningOf(file)), signal, null);
      stage.value = { name: "answered", answer: said, source, loudestDbfs: null };
    } catch (error) {
      throw new Failed(asProblemOf(error, signal), () => recogniseFile(file));
    }
  });
}

/** A clip, unless it is one of the few that may be too large: said here, because a server that refuses it hangs up. */
async function fitting(clip: Blob): Promise<Blob> {
  if (clip.size <= BEGINNING_BYTES) return clip;
  const { max_clip_bytes } = await answer(api.GET("/v1/queries/limits"));
  if (clip.size <= max_clip_bytes) return clip;
  throw new ProblemError(
    "clip_too_large",
    413,
    `Of this kind of file all is needed, and ${bytes(clip.size)} are too many: at most ${bytes(max_clip_bytes)} are taken. Cut out some seconds, or save them as MP3.`,
  );
}

/** Stop whatever is under way, or put the answer away. */
export function stop(): void {
  under?.abort();
  under = null;
  stage.value = { name: "ready" };
}

class Failed extends Error {
  constructor(
    readonly problem: ProblemError,
    readonly again: () => Promise<void>,
  ) {
    super(problem.message);
  }
}

/** Do one thing at a time: the next one ends the one before. */
async function alone(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  under?.abort();
  const own = new AbortController();
  under = own;
  try {
    await work(own.signal);
  } catch (error) {
    if (own.signal.aborted) return;
    if (error instanceof MicrophoneRefused) stage.value = { name: "refused", refusal: error.refusal };
    else if (error instanceof Failed) stage.value = { name: "failed", problem: error.problem, again: error.again };
    else stage.value = { name: "failed", problem: asProblem(error), again: async () => stop() };
  } finally {
    if (under === own) under = null; // what has been answered is not taken back by what comes next
  }
}

async function question(clip: Blob, signal: AbortSignal, replaces: string | null): Promise<Answer> {
  return answer(
    api.POST("/v1/queries", {
      params: { query: replaces === null ? { explain: true } : { explain: true, replaces } },
      body: clip as unknown as string, // the description knows bytes only as a string
      bodySerializer: (body) => body as unknown as Blob,
      headers: { "Content-Type": clip.type || "application/octet-stream" },
      signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    }),
  );
}

async function forget(queryId: string): Promise<void> {
  await api.DELETE("/v1/queries/{query_id}", { params: { path: { query_id: queryId } } }).catch(() => undefined);
}

function asProblemOf(error: unknown, signal: AbortSignal): ProblemError {
  signal.throwIfAborted();
  return asProblem(error);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
