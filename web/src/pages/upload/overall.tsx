// How far are all uploads together, and what can be done with all of them?
import { Button } from "../../ui/button";
import { Progress } from "../../ui/waiting";
import { bytes } from "../../ui/words";
import { type Activity, activity } from "../../uploads/activity";
import { clearOver, pause, resume, uploads } from "../../uploads/queue";
import { timeLeft } from "./words";

export function Overall({ onAskFiles }: { onAskFiles: () => void }) {
  const now = activity.value;
  if (now === null) return null;
  return (
    <section class="overall" aria-label="All uploads">
      <div class="overall-line">
        <p class="overall-words" role="status">
          <strong>{counted(now)}</strong>
        </p>
        <p class="soft overall-speed">{now.isSending ? rate(now) : ""}</p>
        <div class="row">
          {now.fileless > 1 && <Button onClick={onAskFiles}>Choose the files again</Button>}
          {now.isSending && (
            <Button look="quiet" icon="pause" onClick={() => pause(...uploads.peek())}>
              Pause all
            </Button>
          )}
          {now.isResumable && (
            <Button
              look="quiet"
              icon="play"
              onClick={() => resume(...uploads.peek().filter((one) => one.phase.peek() === "paused"))}
            >
              Go on with all
            </Button>
          )}
          {now.over > 0 && (
            <Button look="quiet" onClick={clearOver}>
              Clear what is done
            </Button>
          )}
        </div>
      </div>
      {now.sent_bytes < now.size_bytes && (
        <Progress label="All files, sent" value={now.size_bytes === 0 ? 0 : now.sent_bytes / now.size_bytes} />
      )}
    </section>
  );
}

function counted({ over, files }: Activity): string {
  if (over === files) return files === 1 ? "One file, done" : `All ${files} files are done`;
  return files === 1 ? "One file" : `${over} of ${files} files are done`;
}

function rate({ sent_bytes, size_bytes, speed, left_s }: Activity): string {
  const parts = [`${bytes(sent_bytes)} of ${bytes(size_bytes)}`];
  if (speed !== null) parts.push(`${bytes(speed)}/s`);
  if (left_s !== null && sent_bytes < size_bytes) parts.push(timeLeft(left_s));
  return parts.join(" · ");
}
