// How does the door look, for those who come back and those who are new?
import type { ComponentChildren } from "preact";
import { useLocation } from "preact-iso";
import { Page } from "../../shell/page";
import type { Action } from "../../ui/action";
import { Button } from "../../ui/button";
import { ProblemNote } from "../../ui/notice";
import "./enter.css";

export function Enter({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="enter">
      <div class="enter-words">
        <p class="enter-claim">Your music, known by&nbsp;ear.</p>
        <p>A library of your own that recognises its songs by their sound, in a noisy room and from a few seconds.</p>
        <Wave />
      </div>
      <div class="enter-card">
        <Page title={title} isNarrow>
          {children}
        </Page>
      </div>
    </div>
  );
}

interface EnterFormProps {
  enter: Action<[]>;
  words: string;
  children: ComponentChildren;
}

/** Fields, what is wrong with them, and the button that sends them. */
export function EnterForm({ enter, words, children }: EnterFormProps) {
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void enter.run();
      }}
    >
      {children}
      <ProblemNote problem={enter.problem} />
      <Button type="submit" look="primary" isBusy={enter.isBusy}>
        {words}
      </Button>
    </form>
  );
}

/** The other door; whoever goes through it comes to the same page afterwards. */
export function OtherDoor({ path, children }: { path: "/login" | "/signup"; children: ComponentChildren }) {
  const { to } = useLocation().query;
  return <a href={to ? `${path}?to=${encodeURIComponent(to)}` : path}>{children}</a>;
}

/** A wave of sound, drawn from two sines, with a part of it under the looking glass. */
function Wave() {
  const bars = Array.from(
    { length: 44 },
    (_, at) => 6 + 26 * Math.abs(Math.sin(at * 0.37) * Math.sin(at * 0.11 + 0.6)),
  );
  return (
    <svg class="wave" viewBox="0 0 440 96" fill="none" stroke-linecap="round" aria-hidden="true">
      {bars.map((half, at) => (
        <path
          key={at}
          d={`M${at * 10 + 5} ${48 - half}v${2 * half}`}
          stroke={at > 17 && at < 27 ? "var(--accent)" : "var(--line-strong)"}
          stroke-width="3.5"
          opacity={at > 17 && at < 27 ? 1 : 0.55}
        />
      ))}
    </svg>
  );
}
