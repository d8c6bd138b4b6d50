// What is said about a song? Filled with what the file says; what somebody types wins over it.
import { useState } from "preact/hooks";
import { answer, api, type Schemas } from "../../api/client";
import { useAction } from "../../ui/action";
import { Button } from "../../ui/button";
import { ProblemNote } from "../../ui/notice";
import { Segmented } from "../../ui/segmented";
import { TextField } from "../../ui/text-field";
import type { Song, Upload, Visibility } from "../../uploads/upload";

const FIELDS = ["title", "artist", "album", "year", "isrc"] as const;
type Field = (typeof FIELDS)[number];
type Values = Record<Field, string>;

export const VISIBILITIES = [
  ["private", "Only me"],
  ["shared", "Everybody here"],
] as const;

/** What the service says, or else the file; what neither knows is left empty. */
export function valuesOf(upload: Upload): Values {
  const song = upload.song.value;
  const tags = upload.tags.value ?? {};
  return {
    title: upload.title,
    artist: song?.artist || (tags.artist ?? ""),
    album: song?.album || (tags.album ?? ""),
    year: String(song?.year ?? tags.year ?? ""),
    isrc: song?.isrc ?? tags.isrc ?? "",
  };
}

export function TagForm({ upload, song }: { upload: Upload; song: Song }) {
  const before = valuesOf(upload);
  const [typed, setTyped] = useState<Partial<Values>>({});
  const [visibility, setVisibility] = useState<Visibility>(song.visibility);
  const values = { ...before, ...typed };
  const changed = FIELDS.filter((field) => values[field].trim() !== before[field]);
  const save = useAction(async () => {
    const body: Schemas["EditedSong"] = { visibility };
    for (const field of changed) {
      const value = field === "isrc" ? values.isrc.replace(/[\s-]/g, "").toUpperCase() : values[field].trim();
      if (field === "year") body.year = value === "" ? null : Number(value);
      else body[field] = value === "" ? null : value;
    }
    upload.song.value = await answer(
      api.PATCH("/v1/songs/{song_id}", { params: { path: { song_id: song.id } }, body }),
    );
    setTyped({});
  });
  const isChanged = changed.length > 0 || visibility !== song.visibility;
  const field = (name: Field, label: string) => ({
    label,
    value: values[name],
    onValue: (value: string) => setTyped({ ...typed, [name]: value }),
    error: save.problem?.fields[name],
  });
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void save.run();
      }}
    >
      <div class="tag-fields">
        <TextField {...field("title", "Title")} maxLength={500} />
        <TextField {...field("artist", "Artist")} maxLength={500} />
        <TextField {...field("album", "Album")} maxLength={500} />
        <TextField {...field("year", "Year")} inputMode="numeric" pattern="[0-9]{4}" maxLength={4} />
        <TextField {...field("isrc", "ISRC")} maxLength={20} autoCapitalize="characters" />
      </div>
      <div class="row tag-end">
        <Segmented label="Who sees it" options={VISIBILITIES} value={visibility} onValue={setVisibility} />
        <Button type="submit" look="primary" isBusy={save.isBusy} disabled={!isChanged}>
          Save
        </Button>
      </div>
      <ProblemNote problem={save.problem} />
    </form>
  );
}
