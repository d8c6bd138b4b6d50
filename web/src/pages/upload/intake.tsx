// How do files get in on this page? Dropped, chosen, or pasted, with a word on who will see them.
import type { Ref } from "preact";
import { useRef } from "preact/hooks";
import { answer, api } from "../../api/client";
import { Button } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { useLoaded } from "../../ui/loaded";
import { Segmented } from "../../ui/segmented";
import { activity } from "../../uploads/activity";
import { ACCEPTED, chosen, picked } from "../../uploads/found";
import { add, visibility } from "../../uploads/queue";
import { Room } from "./room";
import { VISIBILITIES } from "./tag-form";

/** Let somebody choose files, with handles where the browser gives some. */
export async function choose(input: HTMLInputElement | null): Promise<void> {
  const found = await picked();
  if (found === null) input?.click();
  else add(found);
}

export function FileInput({ inputRef, isFolder }: { inputRef: Ref<HTMLInputElement>; isFolder?: boolean }) {
  return (
    <input
      ref={inputRef}
      type="file"
      class="visually-hidden"
      tabIndex={-1}
      aria-hidden="true"
      multiple
      accept={isFolder ? undefined : ACCEPTED}
      {...(isFolder ? { webkitdirectory: true } : {})}
      onChange={({ currentTarget }) => {
        add(chosen(currentTarget.files ?? []));
        currentTarget.value = ""; // so that the same one can be chosen again
      }}
    />
  );
}

export function Intake({ isSmall, input }: { isSmall: boolean; input: { current: HTMLInputElement | null } }) {
  const folder = useRef<HTMLInputElement>(null);
  const over = activity.value?.over ?? 0;
  const { value: usage } = useLoaded(() => answer(api.GET("/v1/songs/usage")), [over]);
  return (
    <section class={`intake ${isSmall ? "intake-small" : ""}`} aria-labelledby="intake">
      {!isSmall && (
        <span class="intake-sign">
          <Icon name="upload" size={40} />
        </span>
      )}
      <div class="intake-words">
        <h2 id="intake">{isSmall ? "More music" : "Bring your music in"}</h2>
        <p class="soft">
          <span class="only-with-keyboard">
            Drop songs, albums or whole folders anywhere in this window, on any page.{" "}
          </span>
          Your songs go on while you do something else.
        </p>
      </div>
      <div class="row intake-buttons">
        <Button look={isSmall ? "plain" : "primary"} icon="upload" onClick={() => void choose(input.current)}>
          Choose files
        </Button>
        <Button onClick={() => folder.current?.click()}>Choose a folder</Button>
      </div>
      <FileInput inputRef={input} />
      <FileInput inputRef={folder} isFolder />
      <div class="intake-end">
        <div class="row">
          <span class="soft">Who sees them</span>
          <Segmented
            label="Who sees what you add"
            options={VISIBILITIES}
            value={visibility.value ?? usage?.visibility ?? "private"}
            onValue={(next) => {
              visibility.value = next;
            }}
          />
        </div>
        {usage && <Room {...usage} />}
      </div>
    </section>
  );
}
