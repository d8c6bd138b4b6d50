// What was asked before? By day, newest first; people take back what they like.
import { useEffect, useState } from "preact/hooks";
import { answer, api } from "../../api/client";
import { Cover } from "../../covers/cover";
import { clock } from "../../player/clock";
import { useAction } from "../../ui/action";
import { Button, IconButton } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { Icon } from "../../ui/icon";
import { ProblemNote } from "../../ui/notice";
import { toast } from "../../ui/toast";
import { songOf } from "./answer";
import { type Answer, stage } from "./listening";
import { playFrom } from "./playing";
import { byWords, confidenceWords, dayWords } from "./words";

export function History() {
  const [asked, setAsked] = useState<readonly Answer[]>([]);
  const [cursor, setCursor] = useState<string | null>(null);
  const [isClearing, setClearing] = useState(false);
  const load = useAction(async (from: string | null) => {
    const page = await answer(api.GET("/v1/queries", { params: { query: from === null ? {} : { cursor: from } } }));
    setAsked((before) => (from === null ? page.queries : [...before, ...page.queries]));
    setCursor(page.next_cursor);
  });
  const play = useAction(async (said: Answer) => {
    if (said.match) playFrom(await songOf(said.match.song.id), said.match.offset_ms);
  });
  const remove = useAction(async (said: Answer) => {
    await answer(api.DELETE("/v1/queries/{query_id}", { params: { path: { query_id: said.query_id } } }));
    setAsked((before) => before.filter((each) => each !== said));
  });
  const clear = useAction(async () => {
    await answer(api.DELETE("/v1/queries"));
    setAsked([]);
    setCursor(null);
    setClearing(false);
    toast({ words: "What you asked is forgotten." });
  });
  const last = stage.value.name === "answered" ? stage.value.answer : null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: again after each answer, and only then.
  useEffect(() => void load.run(null), [last]);
  if (asked.length === 0) return <ProblemNote problem={load.problem} onRetry={() => load.run(null)} />;
  const days = byDay(asked);
  return (
    <section class="asked stack" aria-labelledby="asked">
      <header class="asked-head">
        <h2 id="asked">Asked before</h2>
        <Button look="quiet" onClick={() => setClearing(true)}>
          Forget all …
        </Button>
      </header>
      <ProblemNote problem={load.problem ?? play.problem ?? remove.problem} />
      {[...days].map(([day, answers]) => (
        <section key={day} aria-label={day}>
          <h3 class="asked-day">{day}</h3>
          <ul class="asked-list">
            {answers.map((said) => (
              <Row key={said.query_id} said={said} onPlay={() => play.run(said)} onForget={() => remove.run(said)} />
            ))}
          </ul>
        </section>
      ))}
      {cursor !== null && (
        <div class="row">
          <Button onClick={() => load.run(cursor)} isBusy={load.isBusy}>
            Show more
          </Button>
        </div>
      )}
      {isClearing && (
        <Dialog title="Forget all that you asked?" onClose={() => setClearing(false)}>
          <p>The list goes for good. Your songs stay.</p>
          <ProblemNote problem={clear.problem} />
          <div class="row">
            <Button look="danger" isBusy={clear.isBusy} onClick={() => clear.run()}>
              Forget all
            </Button>
            <Button look="quiet" onClick={() => setClearing(false)}>
              Keep it
            </Button>
          </div>
        </Dialog>
      )}
    </section>
  );
}

function Row({ said, onPlay, onForget }: { said: Answer; onPlay: () => void; onForget: () => void }) {
  const { match } = said;
  const place = match && clock(match.offset_ms / 1000);
  return (
    <li>
      {match ? (
        <Cover song={match.song} class="asked-cover" />
      ) : (
        <span class="asked-cover asked-unknown">
          <Icon name="recognise" />
        </span>
      )}
      <span class="asked-words">
        <strong class={match ? "" : "soft"}>{match?.song.title ?? "Not known"}</strong>
        <span class="soft">
          <time dateTime={said.asked_at}>
            {new Date(said.asked_at).toLocaleTimeString(undefined, { timeStyle: "short" })}
          </time>
          {match && ` · ${byWords(match.song.artist, `${place} into the song`, confidenceWords(match.confidence))}`}
        </span>
      </span>
      {match && <IconButton icon="play" label={`Play ${match.song.title} from ${place}`} onClick={onPlay} />}
      <IconButton icon="close" label={`Forget ${match?.song.title ?? "what was not known"}`} onClick={onForget} />
    </li>
  );
}

function byDay(asked: readonly Answer[]): Map<string, Answer[]> {
  const days = new Map<string, Answer[]>();
  for (const said of asked) {
    const day = dayWords(said.asked_at);
    days.set(day, [...(days.get(day) ?? []), said]);
  }
  return days;
}
