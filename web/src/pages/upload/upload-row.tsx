// Where does one file stand, and what can be done about it?
import { useId, useState } from "preact/hooks";
import { sentence } from "../../api/problems";
import { playSongs } from "../../player/store";
import { Button, IconButton } from "../../ui/button";
import { Icon, type IconName } from "../../ui/icon";
import { Progress } from "../../ui/waiting";
import { bytes } from "../../ui/words";
import { cancel, dismiss, pause, regain, resume } from "../../uploads/queue";
import type { Upload } from "../../uploads/upload";
import { DuplicateProof } from "./proof";
import { Steps } from "./steps";
import { TagForm } from "./tag-form";
import { stateOf } from "./words";

interface RowProps {
  upload: Upload;
  /** Asks for the file again. */
  onAskFile: () => void;
}

export function UploadRow({ upload, onAskFile }: RowProps) {
  const [isOpen, setOpen] = useState(false);
  const id = useId();
  const song = upload.song.value;
  const phase = upload.phase.value;
  const tone = toneOf(upload);
  const isMoving = ["waiting", "sending", "interrupted", "paused", "fileless"].includes(phase);
  const tags = upload.tags.value;
  const by = [song?.artist || tags?.artist, song?.album || tags?.album].filter(Boolean).join(" · ");
  const details = by || upload.record.folder || bytes(upload.record.size_bytes);
  return (
    <li class={`upload upload-${tone}`}>
      <div class="upload-line">
        <span class="upload-sign">
          <Icon name={SIGNS[tone]} />
        </span>
        <span class="upload-words">
          <strong>{upload.title}</strong>
          <span>{details}</span>
        </span>
        <span class="upload-state">{stateOf(upload)}</span>
        <span class="upload-actions">
          <Actions upload={upload} onAskFile={onAskFile} />
          <IconButton
            class={`upload-more ${isOpen ? "is-open" : ""}`}
            icon="down"
            label={isOpen ? `Less about ${upload.title}` : `More about ${upload.title}`}
            aria-expanded={isOpen}
            aria-controls={id}
            onClick={() => setOpen(!isOpen)}
          />
        </span>
      </div>
      {isMoving && (
        <Progress
          label={`${upload.title}, sent`}
          value={
            phase === "waiting" && upload.sent_bytes.value === 0
              ? 0
              : upload.sent_bytes.value / Math.max(1, upload.record.size_bytes)
          }
        />
      )}
      <Reason upload={upload} />
      <div id={id} class="upload-details" hidden={!isOpen}>
        {isOpen && (
          <>
            <Steps upload={upload} />
            {upload.packaged.value?.status === "failed" && (
              <p class="soft">It plays as it is. {sentence(upload.packaged.value.reason ?? "It cannot be packaged")}</p>
            )}
            {song !== null && ["ready", "awaiting_upload", "uploaded", "fingerprinted"].includes(song.status) && (
              <TagForm key={song.id} upload={upload} song={song} />
            )}
            <p class="soft upload-file">
              {[upload.record.folder, upload.record.name].filter(Boolean).join(" / ")},{" "}
              {bytes(upload.record.size_bytes)}
            </p>
          </>
        )}
      </div>
    </li>
  );
}

/** Why it is not in the library, or does not go on. */
function Reason({ upload }: { upload: Upload }) {
  const song = upload.song.value;
  const phase = upload.phase.value;
  if (phase === "ended" && song?.duplicate) return <DuplicateProof upload={upload} proof={song.duplicate} />;
  if (phase === "ended" && song?.rejection) return <p class="upload-reason">{sentence(song.rejection.reason)}</p>;
  if (phase === "fileless")
    return (
      <p class="upload-reason upload-hint">
        The browser did not keep the file. Drop or choose the same one again, and it goes on from there.
      </p>
    );
  const { value: problem } = upload.problem;
  if (problem !== null && phase !== "sending" && phase !== "paused")
    return <p class="upload-reason">{problem.message}</p>;
  return null;
}

function Actions({ upload, onAskFile }: RowProps) {
  const { title } = upload;
  const song = upload.song.value;
  const giveUp = <IconButton icon="close" label={`Cancel ${title}`} onClick={() => void cancel(upload)} />;
  switch (upload.phase.value) {
    case "waiting":
    case "sending":
    case "interrupted":
      return (
        <>
          <IconButton icon="pause" label={`Pause ${title}`} onClick={() => pause(upload)} />
          {giveUp}
        </>
      );
    case "paused":
      return (
        <>
          <IconButton icon="play" label={`Go on with ${title}`} onClick={() => resume(upload)} />
          {giveUp}
        </>
      );
    case "failed":
      return (
        <>
          <Button look="quiet" onClick={() => resume(upload)}>
            Try again
          </Button>
          {giveUp}
        </>
      );
    case "fileless":
      return (
        <>
          <Button
            look="quiet"
            onClick={() => void regain(upload).then((isThere) => !isThere && onAskFile())}
            aria-label={`Go on with ${title}`}
          >
            Go on …
          </Button>
          {giveUp}
        </>
      );
    case "followed":
      return null;
    case "ended":
    case "refused":
      return (
        <>
          {song?.status === "ready" && (
            <IconButton icon="play" label={`Play ${title}`} onClick={() => playSongs([song])} />
          )}
          <IconButton icon="close" label={`Take ${title} off the list`} onClick={() => dismiss(upload)} />
        </>
      );
  }
}

type Tone = "calm" | "good" | "twin" | "bad" | "halted";

const SIGNS: Record<Tone, IconName> = { calm: "upload", good: "check", twin: "queue", bad: "alert", halted: "pause" };

function toneOf(upload: Upload): Tone {
  const phase = upload.phase.value;
  if (phase === "refused" || phase === "failed") return "bad";
  if (phase === "paused" || phase === "fileless") return "halted";
  if (phase !== "ended") return "calm";
  const status = upload.song.value?.status;
  return status === "ready" ? "good" : status === "duplicate" ? "twin" : "bad";
}
