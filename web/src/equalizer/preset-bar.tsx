// Which preset plays, and for which songs? Choose one, keep one's own, and say where it counts.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { current } from "../player/store";
import { useAction } from "../ui/action";
import { Button } from "../ui/button";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { ProblemNote } from "../ui/notice";
import { TextField } from "../ui/text-field";
import { toast } from "../ui/toast";
import { Skeleton } from "../ui/waiting";
import { isChanged, origin, ownOfSong, type Preset, settings, take } from "./live";
import {
  type Conflict,
  defaultName,
  otherSettings,
  presets,
  remove,
  save,
  takeOther,
  useForAll,
  useForSong,
} from "./presets";
import { presetWords, settingsWords } from "./words";

/** The service takes no longer names. */
const MAX_NAME = 64;

/** What is to be written, and what was found in its place. */
interface Clash extends Conflict {
  wish: "save" | "remove";
}

export function PresetBar() {
  const [isNaming, setNaming] = useState(false);
  const [clash, setClash] = useState<Clash | null>(null);
  const write = useAction(async (wish: Clash["wish"], name: string, seen: Preset | null) => {
    const conflict = wish === "remove" && seen ? await remove(seen) : await save(name, seen);
    setNaming(false);
    setClash(conflict && { ...conflict, wish });
    if (!conflict) toast({ words: wish === "save" ? `“${name}” is saved.` : `“${name}” is deleted.` });
  });
  const yieldTo = useAction(async (conflict: Conflict) => {
    await takeOther(conflict);
    setClash(null);
  });
  const from = origin.value;
  const isOwn = from !== null && !from.is_built_in;
  return (
    <section class="eq-presets" aria-label="Presets">
      <Choice />
      <div class="row">
        {isOwn && isChanged.value && (
          <Button look="primary" isBusy={write.isBusy} onClick={() => write.run("save", from.name, from)}>
            Save “{from.name}”
          </Button>
        )}
        {isChanged.value && (
          <>
            <Button look={isOwn ? "plain" : "primary"} onClick={() => setNaming(true)}>
              Save as …
            </Button>
            {from && (
              <Button look="quiet" onClick={() => take(from)}>
                Back to “{presetWords(from)}”
              </Button>
            )}
          </>
        )}
        {from && !isChanged.value && <Use preset={from} />}
        {isOwn && !isChanged.value && (
          <Button look="quiet" isBusy={write.isBusy} onClick={() => write.run("remove", from.name, from)}>
            Delete
          </Button>
        )}
      </div>
      {!isNaming && !clash && <ProblemNote problem={write.problem} />}
      {isNaming && (
        <Naming
          problem={<ProblemNote problem={write.problem} />}
          isBusy={write.isBusy}
          onClose={() => setNaming(false)}
          onName={(name) => write.run("save", name, null)}
        />
      )}
      {clash && (
        <Decision
          clash={clash}
          problem={<ProblemNote problem={write.problem ?? yieldTo.problem} />}
          onMine={() => write.run(clash.wish, clash.name, clash.preset)}
          onOther={() => yieldTo.run(clash)}
          onClose={() => setClash(null)}
        />
      )}
    </section>
  );
}

/** All presets, as buttons of which one is pressed. */
function Choice() {
  if (!presets.value) return <Skeleton height="2.75rem" />;
  const groups = [
    ["Built in", presets.value.filter((one) => one.is_built_in)],
    ["Yours", presets.value.filter((one) => !one.is_built_in)],
  ] as const;
  return groups.map(
    ([words, some]) =>
      some.length > 0 && (
        <fieldset class="eq-chips" key={words}>
          <legend>{words}</legend>
          {some.map((preset) => (
            <label key={preset.name}>
              <input
                type="radio"
                name="preset"
                checked={origin.value?.name === preset.name}
                onChange={() => take(preset)}
                onClick={() => origin.value?.name === preset.name && take(preset)}
              />
              <span>
                {presetWords(preset)}
                {origin.value?.name === preset.name && isChanged.value && <em> · changed</em>}
              </span>
            </label>
          ))}
        </fieldset>
      ),
  );
}

/** Which songs a preset plays. */
function Use({ preset }: { preset: Preset }) {
  const song = current.value;
  const isDefault = defaultName.value === preset.name;
  const isOfSong = ownOfSong.value === preset.name;
  const choose = useAction(async (act: () => Promise<void>, words: string) => {
    await act();
    toast({ words });
  });
  const name = presetWords(preset);
  return (
    <>
      {isDefault ? (
        <span class="eq-state">
          <Icon name="check" size={20} />
          Plays all songs
        </span>
      ) : (
        <Button
          isBusy={choose.isBusy}
          onClick={() =>
            choose.run(() => useForAll(preset), `“${name}” plays all songs that have no preset of their own.`)
          }
        >
          Use for all songs
        </Button>
      )}
      {song && (
        <Button
          {...(isOfSong ? { icon: "check" as const } : {})}
          aria-pressed={isOfSong}
          isBusy={choose.isBusy}
          onClick={() =>
            isOfSong
              ? choose.run(() => useForSong(song.id, null), `“${song.title}” has no preset of its own any more.`)
              : choose.run(() => useForSong(song.id, preset), `“${song.title}” always plays with “${name}” now.`)
          }
        >
          {isOfSong ? "Plays this song" : "Use for this song"}
        </Button>
      )}
      <ProblemNote problem={choose.problem} />
    </>
  );
}

interface NamingProps {
  problem: ComponentChildren;
  isBusy: boolean;
  onName: (name: string) => void;
  onClose: () => void;
}

function Naming({ problem, isBusy, onName, onClose }: NamingProps) {
  const [name, setName] = useState("");
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => form.current?.querySelector("input")?.focus(), []);
  return (
    <Dialog title="Save as a preset" onClose={onClose}>
      <form
        ref={form}
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          onName(name.trim());
        }}
      >
        <p class="soft">{settingsWords(settings.value)}</p>
        <TextField label="Name" required maxLength={MAX_NAME} autocomplete="off" value={name} onValue={setName} />
        {problem}
        <div class="row">
          <Button type="submit" look="primary" isBusy={isBusy} disabled={name.trim() === ""}>
            Save
          </Button>
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

interface DecisionProps {
  clash: Clash;
  problem: ComponentChildren;
  onMine: () => void;
  onOther: () => void;
  onClose: () => void;
}

/** Somebody else, or oneself elsewhere, was faster: see both, then decide. */
function Decision({ clash, problem, onMine, onOther, onClose }: DecisionProps) {
  const other = otherSettings(clash);
  const { wish, name } = clash;
  return (
    <Dialog title={`“${name}” is another one now`} onClose={onClose}>
      <p>
        {other
          ? "There is a version that you have not seen, from another tab or device."
          : "It has been deleted in another tab or on another device."}
      </p>
      <dl class="eq-versions">
        {wish === "save" && (
          <div>
            <dt>Yours</dt>
            <dd>{settingsWords(settings.value)}</dd>
          </div>
        )}
        {other && (
          <div>
            <dt>The other</dt>
            <dd>{settingsWords(other)}</dd>
          </div>
        )}
      </dl>
      {problem}
      <div class="row">
        <Button look={wish === "remove" ? "danger" : "primary"} onClick={onMine}>
          {wish === "remove" ? "Delete it all the same" : other ? "Keep yours" : "Save it again"}
        </Button>
        <Button onClick={onOther}>{other ? "Take the other" : "Leave it deleted"}</Button>
      </div>
    </Dialog>
  );
}
