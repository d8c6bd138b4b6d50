// Which song is this? One button that listens, a place for files, and what was asked before.
import { useEffect, useRef } from "preact/hooks";
import { acceptDrops } from "../../shell/drop-zone";
import { Page } from "../../shell/page";
import { useShortcut } from "../../shell/shortcuts";
import { Button } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { ProblemNote } from "../../ui/notice";
import { Found, NotFound } from "./answer";
import { History } from "./history";
import { heardS, LONGEST_S, level, listen, processing, recogniseFile, stage, stop } from "./listening";
import { foundWords, processingWords, REFUSALS } from "./words";
import "./recognise.css";

export default function Recognise() {
  const now = stage.value;
  const { name } = now;
  const found =
    now.name === "answered" && now.answer.match
      ? { answer: now.answer, match: now.answer.match, source: now.source }
      : null;
  const isUnderWay = name === "starting" || name === "listening" || name === "asking";
  useShortcut({ key: "Escape", words: "Stop listening, or put the answer away" }, stop);
  useEffect(
    () =>
      acceptDrops({
        words: "Drop to recognise",
        onDrop: (transfer) => {
          const [file] = transfer.files;
          if (file) void recogniseFile(file);
        },
      }),
    [],
  );
  useEffect(() => () => stop(), []);
  return (
    <Page title="Recognise">
      <div class={`recognise recognise-${name} ${found ? "recognise-found" : ""}`}>
        <Ear isUnderWay={isUnderWay} isSmall={found !== null} />
        <div class={found ? "visually-hidden" : "recognise-words"} role="status">
          {found ? foundWords(found.match, found.source.endedAt !== null) : <Words />}
        </div>
        {found && <Found {...found} />}
        {name === "listening" && processing.value.length > 0 && (
          <p class="recognise-warning">
            <Icon name="alert" size={18} /> {processingWords(processing.value)}
          </p>
        )}
        {now.name === "failed" && (
          <ProblemNote problem={now.problem} {...(now.problem.isPassing ? { onRetry: now.again } : {})} />
        )}
        {isUnderWay ? (
          <Button look="quiet" onClick={stop}>
            Cancel
          </Button>
        ) : (
          <ChooseFile />
        )}
      </div>
      <History />
    </Page>
  );
}

/** The button: what goes round it is how much was heard, what grows behind it is how loud it is. */
function Ear({ isUnderWay, isSmall }: { isUnderWay: boolean; isSmall: boolean }) {
  const label = isUnderWay ? "Stop listening" : stage.value.name === "answered" ? "Listen again" : "Listen";
  return (
    <button
      type="button"
      class="ear"
      aria-label={label}
      aria-pressed={isUnderWay}
      onClick={isUnderWay ? stop : () => void listen()}
      style={{ "--level": level.value, "--heard": heardS.value / LONGEST_S }}
    >
      <span class="ear-wave" />
      <span class="ear-wave ear-wave-far" />
      <svg class="ear-progress" viewBox="0 0 100 100" aria-hidden="true" focusable="false">
        <circle cx="50" cy="50" r="48.5" pathLength="1" />
      </svg>
      <span class="ear-face">
        <Icon name="recognise" size={isSmall ? 32 : 84} />
      </span>
    </button>
  );
}

const ON_THE_WAY = [
  "Listening …",
  "Listening …",
  "Not sure yet. Listening on …",
  "Still listening. Closer to the loudspeaker helps.",
  "Still listening …",
  "A last try …",
];

function Words() {
  const now = stage.value;
  switch (now.name) {
    case "ready":
      return (
        <>
          <h2>What is playing?</h2>
          <p class="soft">Press the button and let it hear the music. A few seconds are enough.</p>
        </>
      );
    case "starting":
      return (
        <>
          <h2>May we listen?</h2>
          <p class="soft">Allow the microphone, if the browser asks. What is heard is not kept.</p>
        </>
      );
    case "listening":
      return <h2>{ON_THE_WAY[Math.min(now.asked, ON_THE_WAY.length - 1)]}</h2>;
    case "asking":
      return (
        <>
          <h2>Looking for it …</h2>
          {now.source.fileName && <p class="soft">{now.source.fileName}</p>}
        </>
      );
    case "answered":
      return <NotFound answer={now.answer} loudestDbfs={now.loudestDbfs} />;
    case "refused":
      return (
        <>
          <h2>{REFUSALS[now.refusal].title}</h2>
          <p class="soft">{REFUSALS[now.refusal].next}</p>
        </>
      );
    case "failed":
      return <h2>That did not work</h2>;
  }
}

function ChooseFile() {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <Button look="quiet" icon="upload" onClick={() => input.current?.click()}>
        <span>
          Choose a recording<span class="only-with-keyboard">, or drop one here</span>
        </span>
      </Button>
      <input
        ref={input}
        type="file"
        hidden
        aria-label="Recording to recognise"
        accept="audio/*,video/webm,video/mp4"
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          event.currentTarget.value = "";
          if (file) void recogniseFile(file);
        }}
      />
    </>
  );
}
