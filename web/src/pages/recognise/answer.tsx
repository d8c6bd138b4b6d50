// Which song is it, where in it are we, and what now?

import { answer, api, type Schemas } from "../../api/client";
import { Cover } from "../../covers/cover";
import { clock } from "../../player/clock";
import { useAction } from "../../ui/action";
import { Button } from "../../ui/button";
import { useLoaded } from "../../ui/loaded";
import { ProblemNote } from "../../ui/notice";
import type { Answer, Source } from "./listening";
import { playFrom, playInSync } from "./playing";
import { Why } from "./why";
import { byWords, confidenceWords, unknownWords } from "./words";

type Match = Schemas["ClipMatch"];

/** Less sure than this is no alternative. */
const WORTH_TELLING = 0.02;

export function Found({ answer: said, match, source }: { answer: Answer; match: Match; source: Source }) {
  const { song } = match;
  const others = said.alternatives.filter((other) => other.confidence >= WORTH_TELLING);
  const { value } = useLoaded(() => songOf(song.id), [song.id]);
  const endedAt = source.endedAt;
  const play = useAction(async () => {
    const found = value ?? (await songOf(song.id));
    if (endedAt === null) playFrom(found, match.offset_ms);
    else playInSync(found, match, endedAt);
  });
  return (
    <article class="found">
      <Cover song={song} class="found-cover" />
      <div class="found-words">
        <h2>{song.title}</h2>
        <p class="found-artist">{byWords(song.artist, song.album)}</p>
        <p class="soft">
          {clock((endedAt === null ? match.offset_ms : match.play_offset_ms) / 1000)} into the song ·{" "}
          {confidenceWords(match.confidence)}
        </p>
        <div class="row">
          <Button look="primary" icon="play" isBusy={play.isBusy} onClick={() => play.run()}>
            {endedAt === null ? "Play from there" : "Play from here, in sync"}
          </Button>
          <a class="button button-plain" href={`/?q=${encodeURIComponent(song.title)}`}>
            Open in the library
          </a>
        </div>
        <ProblemNote problem={play.problem} />
      </div>
      {match.aligned && <Why aligned={match.aligned} offset_ms={match.offset_ms} />}
      {others.length > 0 && (
        <details>
          <summary>It may also be …</summary>
          <ul class="alternatives">
            {others.map((other) => (
              <li key={other.song.id}>
                <strong>{other.song.title}</strong>
                <span class="soft">{byWords(other.song.artist, confidenceWords(other.confidence))}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </article>
  );
}

export function NotFound({ answer: said, loudestDbfs }: { answer: Answer; loudestDbfs: number | null }) {
  const { title, next } = unknownWords(said, loudestDbfs);
  return (
    <>
      <h2>{title}</h2>
      <p class="soft">{next}</p>
    </>
  );
}

export function songOf(songId: string): Promise<Schemas["SongBody"]> {
  return answer(api.GET("/v1/songs/{song_id}", { params: { path: { song_id: songId } } }));
}
