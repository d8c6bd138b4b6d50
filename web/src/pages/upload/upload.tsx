// How does music get into the library, and what becomes of it?
import { useEffect, useRef, useState } from "preact/hooks";
import { account } from "../../session/session";
import { Page } from "../../shell/page";
import { EmptyState } from "../../ui/notice";
import { uploads } from "../../uploads/queue";
import type { Upload } from "../../uploads/upload";
import { choose, Intake } from "./intake";
import { Overall } from "./overall";
import { UploadRow } from "./upload-row";
import "./upload.css";

const STEP = 40;

export default function UploadPage() {
  const input = useRef<HTMLInputElement>(null);
  if (account.value?.role === "listener")
    return (
      <Page title="Upload">
        <EmptyState icon="lock" title="Your account is for listening">
          <p>It plays and recognises music, but adds none. Whoever runs this place can let you upload.</p>
        </EmptyState>
      </Page>
    );
  const all = uploads.value;
  const ask = () => void choose(input.current);
  return (
    <Page title="Upload">
      <Intake isSmall={all.length > 0} input={input} />
      <Overall onAskFiles={ask} />
      {all.length > 0 && <Rows all={all} onAskFile={ask} />}
    </Page>
  );
}

/** As many rows as somebody has come to see, so that a thousand files cost no more than a few. */
function Rows({ all, onAskFile }: { all: readonly Upload[]; onAskFile: () => void }) {
  const [count, setCount] = useState(STEP);
  const end = useRef<HTMLDivElement>(null);
  const isMore = all.length > count;
  // biome-ignore lint/correctness/useExhaustiveDependencies: an end that stays in sight is told of only when looked for anew.
  useEffect(() => {
    if (end.current === null) return;
    const observer = new IntersectionObserver(
      ([entry]) => entry?.isIntersecting && setCount((before) => before + STEP),
      { rootMargin: "600px" },
    );
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [isMore, count]);
  return (
    <>
      <ul class="uploads" aria-label="Uploads">
        {all.slice(0, count).map((upload) => (
          <UploadRow key={upload.record.id} upload={upload} onAskFile={onAskFile} />
        ))}
      </ul>
      {isMore && <div ref={end} />}
    </>
  );
}
