// How does music get into the library, and what becomes of it?
import { useRef } from "preact/hooks";
import { account } from "../../session/session";
import { Page } from "../../shell/page";
import { EmptyState } from "../../ui/notice";
import { uploads } from "../../uploads/queue";
import { choose, Intake } from "./intake";
import { Overall } from "./overall";
import { UploadRow } from "./upload-row";
import "./upload.css";

/** From so many rows on only those are laid out that are seen. */
const MANY = 50;

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
      {all.length > 0 && (
        <ul class={`uploads ${all.length > MANY ? "uploads-many" : ""}`} aria-label="Uploads">
          {all.map((upload) => (
            <UploadRow key={upload.record.id} upload={upload} onAskFile={ask} />
          ))}
        </ul>
      )}
    </Page>
  );
}
