// How are answers said to people?
import { sentence } from "../../api/problems";
import { clock } from "../../player/clock";
import type { Answer } from "./listening";
import type { Refusal } from "./microphone";

type ClipMatch = NonNullable<Answer["match"]>;

/** How sure it is; below 100 % there is always a doubt, so it never rounds up to it. */
export function confidenceWords(confidence: number): string {
  const words =
    confidence >= 0.99 ? "Certain" : confidence >= 0.9 ? "Very sure" : confidence >= 0.6 ? "Fairly sure" : "A guess";
  return `${words}, ${Math.floor(confidence * 1000) / 10} %`;
}

/** Who made it; what nobody said is left out. */
export function byWords(...said: string[]): string {
  return said.filter(Boolean).join(" · ");
}

/** What was found, in one sentence. */
export function foundWords({ song, offset_ms, play_offset_ms }: ClipMatch, isLive: boolean): string {
  return `${[song.title, byWords(song.artist)].filter(Boolean).join(", by ")}, ${clock((isLive ? play_offset_ms : offset_ms) / 1000)} into the song.`;
}

export interface Unknown {
  title: string;
  next: string;
}

const TOO_QUIET: Unknown = {
  title: "Too quiet to tell",
  next: "Go closer to the loudspeaker, or turn the music up, and try again.",
};

const REASONS: Readonly<Record<string, Unknown>> = {
  silence: TOO_QUIET,
  too_short: { title: "Too short to tell", next: "Give it three seconds or more." },
};

/** Why nothing is named, and what to try next. */
export function unknownWords(answer: Answer, loudestDbfs: number | null): Unknown {
  if (answer.outcome === "inconclusive")
    return {
      title: "Not sure yet",
      next: `Only ${Math.floor(answer.coverage * 100)} % of the library answered in time. Please try again in a moment.`,
    };
  if (answer.reason === "unknown") {
    if (loudestDbfs !== null && loudestDbfs < -55) return TOO_QUIET;
    return {
      title: "Not known",
      next: "No song that you may hear sounds like this. Try another part of it, closer to the loudspeaker. Songs are recognised by their recording: another performance, or humming, is not found.",
    };
  }
  const known = answer.reason === null ? undefined : REASONS[answer.reason];
  return (
    known ?? { title: "That cannot be heard", next: `${sentence(answer.explanation ?? "")} Try another recording.` }
  );
}

export const REFUSALS: Readonly<Record<Refusal, Unknown>> = {
  insecure: {
    title: "No microphone without https",
    next: "Browsers lend the microphone only to pages that come by https. Open this page by https, or choose a recording below.",
  },
  denied: {
    title: "The microphone is not allowed",
    next: "Press the sign beside the address of this page, allow the microphone, and try again. Or choose a recording below.",
  },
  missing: {
    title: "There is no microphone",
    next: "None was found on this device. Connect one and try again, or choose a recording below.",
  },
  busy: {
    title: "The microphone is taken",
    next: "Another program uses it. Close that one and try again, or choose a recording below.",
  },
};

const PROCESSING: Readonly<Record<string, string>> = {
  echoCancellation: "echo cancellation",
  noiseSuppression: "noise suppression",
  autoGainControl: "gain control",
};

/** What the browser does to music that is meant for voices. */
export function processingWords(processing: readonly string[]): string {
  const names = processing.map((name) => PROCESSING[name] ?? name);
  return `This browser keeps ${names.join(" and ")} on, which is meant for voices. Music may take longer to recognise.`;
}

/** The day of a time, as people say it. */
export function dayWords(time: string, now = new Date()): string {
  const day = new Date(time);
  const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  const days = Math.round((midnight(now) - midnight(day)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return day.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
}
