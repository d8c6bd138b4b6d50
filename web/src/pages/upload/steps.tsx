// What has happened to a song so far, and how long did each step take?
import { useEffect, useState } from "preact/hooks";
import { Icon } from "../../ui/icon";
import type { Upload } from "../../uploads/upload";

type Mark = "done" | "now" | "later" | "bad";

interface Step {
  words: string;
  mark: Mark;
  /** When it was over, as the service says it; steps that are over at the same moment share it. */
  at: number | null;
}

/** The steps of the pipeline as they stand. */
export function stepsOf(upload: Upload): Step[] {
  const song = upload.song.value;
  const at = (status: string) => {
    const change = song?.history.find((each) => each.status === status);
    return change ? Date.parse(change.at) : null;
  };
  const [uploaded, heard] = [at("uploaded"), at("fingerprinted")];
  const [ready, twin, bad] = [at("ready"), at("duplicate"), at("rejected")];
  const packaged = upload.packaged.value?.status;
  const isBytesTwin = twin !== null && uploaded === null;
  const steps: [string, number | null, boolean][] = [
    ["Uploaded", uploaded ?? twin ?? bad, false],
    ["Validated", heard ?? (isBytesTwin ? twin : null), bad !== null && heard === null],
    ["Fingerprinted", heard ?? (isBytesTwin ? twin : null), false],
    ["Compared with all others", ready, twin !== null],
    ["Ready", ready, false],
    ["Packaged for streaming", packaged === "packaged" ? upload.toldAt.value : null, packaged === "failed"],
  ];
  const isOver = twin !== null || bad !== null;
  let isNext = ["sending", "interrupted", "followed", "ended"].includes(upload.phase.value);
  return steps.map(([words, when, isBad]) => {
    if (isBad) return { words, mark: "bad", at: twin ?? bad };
    if (when !== null) return { words, mark: "done", at: when };
    const mark: Mark = isNext && !isOver ? "now" : "later";
    isNext = false;
    return { words, mark, at: null };
  });
}

export function Steps({ upload }: { upload: Upload }) {
  const steps = stepsOf(upload);
  const isGoing = steps.some((step) => step.mark === "now");
  const now = useClock(isGoing);
  let before: number | null = upload.song.value ? Date.parse(upload.song.value.created_at) : null;
  return (
    <ol class="steps" aria-label="Steps">
      {steps.map((step) => {
        const begin = before;
        if (step.at !== null) before = step.at;
        const took_s =
          step.mark === "now" && step.words !== "Packaged for streaming" && step.words !== "Uploaded"
            ? (now - upload.toldAt.value) / 1000
            : step.words !== "Packaged for streaming" && step.at !== null && begin !== null && step.at > begin
              ? (step.at - begin) / 1000
              : null;
        return (
          <li key={step.words} class={`step step-${step.mark}`} aria-current={step.mark === "now" ? "step" : undefined}>
            <span class="step-sign">
              {step.mark === "done" && <Icon name="check" size={14} />}
              {step.mark === "bad" && <Icon name="close" size={14} />}
            </span>
            <span>
              {step.words}
              <span class="visually-hidden">{MARKS[step.mark]}</span>
            </span>
            <span class="step-time">{took_s !== null && `${took_s.toFixed(1)} s`}</span>
          </li>
        );
      })}
    </ol>
  );
}

const MARKS = { done: ", done", now: ", in progress", later: ", to come", bad: ", not passed" };

function useClock(isGoing: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!isGoing) return;
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [isGoing]);
  return now;
}
