// Why is a song a duplicate? What it is a duplicate of, how much of it, and both to be heard side by side.
import { effect } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { answer, api, type Schemas } from "../../api/client";
import { clock } from "../../player/clock";
import { player } from "../../player/store";
import { Button } from "../../ui/button";
import { useLoaded } from "../../ui/loaded";
import { ProblemNote } from "../../ui/notice";
import { Segmented } from "../../ui/segmented";
import type { Upload } from "../../uploads/upload";
import { type Side, SideBySide } from "./side-by-side";

type Proof = Schemas["DuplicateProof"];

export function DuplicateProof({ upload, proof }: { upload: Upload; proof: Proof }) {
  if (proof.song_id === null || proof.song_id === undefined)
    return (
      <p class="proof-words">
        This recording is known here already. Whoever brought it keeps it private, so this is all that can be said.
      </p>
    );
  return (
    <div class="stack">
      <p class="proof-words">
        It is already here as <strong>{proof.title}</strong>
        {proof.artist && (
          <>
            {" by "}
            <strong>{proof.artist}</strong>
          </>
        )}
        . {evidence(proof)}
      </p>
      <dl class="proof-facts">
        <Fact name="Overlap" value={`${Math.round(100 * (proof.overlap ?? 0))} %`} />
        <Fact name="Begins at" value={place(proof.offset_ms ?? 0)} />
        <Fact name="Found by" value={proof.evidence === "bytes" ? "identical bytes" : "its sound"} />
      </dl>
      {upload.file && <Listening file={upload.file} songId={proof.song_id} offset_s={(proof.offset_ms ?? 0) / 1000} />}
    </div>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function evidence(proof: Proof): string {
  if (proof.evidence === "bytes") return "It is the very same file, byte for byte.";
  if (proof.relation === "contained") return "Your file is a part of it.";
  return "It is the same recording, though the file is another one.";
}

function place(offset_ms: number): string {
  if (Math.abs(offset_ms) < 500) return "its beginning";
  if (offset_ms < -500) return `${clock(-offset_ms / 1000)} before it`;
  return `${clock(offset_ms / 1000)} of it`;
}

const SIDES = [
  ["upload", "Your file"],
  ["known", "The song here"],
] as const;

function Listening({ file, songId, offset_s }: { file: File; songId: string; offset_s: number }) {
  const stream = useLoaded(
    () => answer(api.GET("/v1/songs/{song_id}/stream", { params: { path: { song_id: songId } } })),
    [songId],
  );
  const [both, setBoth] = useState<SideBySide | null>(null);
  const url = stream.value && "url" in stream.value ? stream.value.url : null;
  useEffect(() => {
    if (url === null) return;
    const made = new SideBySide(file, url, offset_s);
    setBoth(made);
    const leave = effect(() => {
      if (player.isPlaying.value) made.pause();
    });
    return () => {
      leave();
      made.close();
    };
  }, [file, url, offset_s]);
  if (stream.problem) return <ProblemNote problem={stream.problem} onRetry={stream.reload} />;
  if (both?.isBroken.value) return <p class="soft">This browser cannot play one of the two.</p>;
  const toggle = () => {
    if (both?.isPlaying.value) return both.pause();
    player.pause();
    void both?.play();
  };
  return (
    <div class="listening">
      <Button icon={both?.isPlaying.value ? "pause" : "play"} disabled={both === null} onClick={toggle}>
        {both?.isPlaying.value ? "Pause" : "Hear both"}
      </Button>
      <Segmented<Side>
        label="Which one is heard"
        options={SIDES}
        value={both?.heard.value ?? "upload"}
        onValue={(side) => both?.hear(side)}
      />
      <span class="listening-time" aria-hidden="true">
        {clock(both?.time_s.value ?? 0)}
      </span>
    </div>
  );
}
