// How does one get a song as a file that sounds like this? Made by the service, followed here, kept for a week.
import { useEffect, useRef, useState } from "preact/hooks";
import { current } from "../player/store";
import { useAction } from "../ui/action";
import { Button } from "../ui/button";
import { useLoaded } from "../ui/loaded";
import { ProblemNote } from "../ui/notice";
import { Segmented } from "../ui/segmented";
import { Progress } from "../ui/waiting";
import { bytes } from "../ui/words";
import { complete } from "./filters";
import { settings } from "./live";
import {
  again,
  type BitDepth,
  type Format,
  follow,
  type Made,
  made,
  make,
  picture,
  type Render,
  recall,
} from "./renders";
import { settingsWords } from "./words";

const FORMATS = [
  ["flac", "FLAC"],
  ["wav", "WAV"],
  ["m4a", "M4A"],
  ["mp3", "MP3"],
] as const;
const DEPTHS = [
  ["16", "16 bits"],
  ["24", "24 bits"],
] as const;
/** An address that ends so soon is asked for anew, in milliseconds. */
const FRESH_MS = 30_000;

export function FileMaker() {
  const song = current.value;
  useEffect(() => void recall(), []);
  const [format, setFormat] = useState<Format>("flac");
  const [depth, setDepth] = useState<"16" | "24">("16");
  const ask = useAction(async () => {
    if (song) await make(song, settings.value, format, Number(depth) as BitDepth);
  });
  return (
    <section class="eq-files stack" aria-labelledby="eq-files">
      <h2 id="eq-files">Make a file</h2>
      {song ? (
        <>
          <p class="soft">
            <strong class="eq-song">{song.title}</strong>, whole, as the equalizer is set now.
          </p>
          <div class="row">
            <Segmented label="Format" options={FORMATS} value={format} onValue={setFormat} />
            {(format === "wav" || format === "flac") && (
              <Segmented label="Bit depth" options={DEPTHS} value={depth} onValue={setDepth} />
            )}
          </div>
          <div>
            <Button look="primary" isBusy={ask.isBusy} onClick={ask.run}>
              Make the file
            </Button>
          </div>
          <ProblemNote problem={ask.problem} onRetry={ask.run} />
        </>
      ) : (
        <p class="soft">
          Play a song from your <a href="/">library</a>, and you can have it as a file that sounds like this.
        </p>
      )}
      {made.value.length > 0 && (
        <ul class="eq-made" aria-label="Files that you have asked for">
          {made.value.map((one) => (
            <MadeFile key={one.render.id} {...one} />
          ))}
        </ul>
      )}
    </section>
  );
}

function MadeFile({ song, render, problem }: Made) {
  const [isSeen, setSeen] = useState(false);
  const { status, format, bit_depth } = render;
  const isLossless = format === "wav" || format === "flac";
  return (
    <li>
      <div class="eq-made-words">
        <strong>{song.title}</strong>
        <span class="soft">
          {format.toUpperCase()}
          {isLossless && `, ${bit_depth} bits`}
          {" · "}
          {settingsWords(complete(render.settings))}
        </span>
      </div>
      {problem ? (
        <ProblemNote problem={problem} onRetry={() => void follow(render)} />
      ) : status === "failed" ? (
        <p role="alert">It could not be made: {render.failure?.reason}.</p>
      ) : status === "ready" ? (
        <div class="row">
          <Button look="quiet" aria-expanded={isSeen} onClick={() => setSeen(!isSeen)}>
            {isSeen ? "Hide the picture" : "Before and after"}
          </Button>
          <Download render={render} />
        </div>
      ) : (
        <div class="eq-made-progress" aria-live="polite">
          <Progress label={`Making ${song.title}`} value={status === "queued" ? null : render.progress} />
          <span class="soft">{status === "queued" ? "Waiting" : `${Math.round(100 * render.progress)} %`}</span>
        </div>
      )}
      {isSeen && <Picture render={render} />}
    </li>
  );
}

/** A link to the file; its address is good for a while only, so a late press gets a fresh one first. */
function Download({ render }: { render: Render }) {
  const link = useRef<HTMLAnchorElement>(null);
  const refresh = useAction(async () => {
    const { download } = await again(render);
    if (!download || !link.current) return;
    link.current.href = download.url;
    link.current.click();
  });
  const { download, size_bytes } = render;
  return (
    <>
      <a
        ref={link}
        class="button button-plain"
        href={download?.url}
        download
        onClick={(event) => {
          if (download && Date.parse(download.expires_at) > Date.now() + FRESH_MS) return;
          event.preventDefault();
          void refresh.run();
        }}
      >
        Download{size_bytes !== null && ` (${bytes(size_bytes)})`}
      </a>
      <ProblemNote problem={refresh.problem} />
    </>
  );
}

/** The service's picture, in the colours of the page. */
function Picture({ render }: { render: Render }) {
  const frame = useRef<HTMLDivElement>(null);
  const { value, problem, reload } = useLoaded(() => picture(render), [render.id]);
  useEffect(() => {
    if (value === null) return;
    const drawn = new DOMParser().parseFromString(value, "image/svg+xml").documentElement;
    frame.current?.replaceChildren(document.importNode(drawn, true));
  }, [value]);
  return (
    <>
      <ProblemNote problem={problem} onRetry={reload} />
      <div
        class="eq-picture"
        ref={frame}
        role="img"
        aria-label={`Outline of the song before and after: ${settingsWords(complete(render.settings))}`}
      />
    </>
  );
}
