// What is said about a song, and who hears it? A form for whoever may change it.
import { useState } from "preact/hooks";
import { answer, api, type Schemas } from "../../api/client";
import type { Song } from "../../player/store";
import { account } from "../../session/session";
import { useAction } from "../../ui/action";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { ProblemNote } from "../../ui/notice";
import { Segmented } from "../../ui/segmented";
import { TextField } from "../../ui/text-field";

type Edited = Schemas["EditedSong"];
type Visibility = Song["visibility"];

/** Whether whoever is signed in may change a song: one's own, and for those who run the place what is shared, too. */
export function isEditable(song: Song): boolean {
  const me = account.value;
  return me?.user_id === song.owner || (me?.role === "admin" && song.visibility === "shared");
}

/** Change a song, and return it as it is then. */
export function editSong(song: Song, edited: Edited): Promise<Song> {
  return answer(api.PATCH("/v1/songs/{song_id}", { params: { path: { song_id: song.id } }, body: edited }));
}

export function EditSong({
  song,
  onSaved,
  onClose,
}: {
  song: Song;
  onSaved: (song: Song) => void;
  onClose: () => void;
}) {
  const [title, setTitle] = useState(song.title);
  const [artist, setArtist] = useState(song.artist);
  const [album, setAlbum] = useState(song.album);
  const [year, setYear] = useState(song.year === null ? "" : String(song.year));
  const [isrc, setIsrc] = useState(song.isrc ?? "");
  const [visibility, setVisibility] = useState<Visibility>(song.visibility);
  const save = useAction(async () => {
    const typed = {
      title: title.trim() || null,
      artist: artist.trim() || null,
      album: album.trim() || null,
      year: year.trim() ? Number(year) : null,
      isrc: isrc.replaceAll(/[\s-]/g, "").toUpperCase() || null,
    };
    const before = { ...song, artist: song.artist || null, album: song.album || null };
    const changed = Object.entries(typed).filter(([name, value]) => value !== before[name as keyof typeof typed]);
    onSaved(
      await editSong(song, {
        ...(Object.fromEntries(changed) as Edited),
        ...(visibility === song.visibility ? {} : { visibility }),
      }),
    );
    onClose();
  });
  const fields = save.problem?.fields ?? {};
  return (
    <Dialog title="Edit the song" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void save.run();
        }}
      >
        <TextField
          label="Title"
          value={title}
          onValue={setTitle}
          maxLength={500}
          hint="What you leave empty is as the file says."
          error={fields.title}
        />
        <TextField label="Artist" value={artist} onValue={setArtist} maxLength={500} error={fields.artist} />
        <TextField label="Album" value={album} onValue={setAlbum} maxLength={500} error={fields.album} />
        <div class="edit-pair">
          <TextField
            label="Year"
            value={year}
            onValue={setYear}
            inputMode="numeric"
            pattern="[1-9][0-9]{3}"
            maxLength={4}
            error={fields.year}
          />
          <TextField label="ISRC" value={isrc} onValue={setIsrc} maxLength={15} error={fields.isrc} />
        </div>
        <div class="field">
          <span class="field-label" aria-hidden="true">
            Who hears it
          </span>
          <div>
            <Segmented
              label="Who hears it"
              options={[
                ["private", "Only me"],
                ["shared", "Everybody here"],
              ]}
              value={visibility}
              onValue={setVisibility}
            />
          </div>
        </div>
        <ProblemNote problem={save.problem} />
        <div class="row">
          <Button type="submit" look="primary" isBusy={save.isBusy}>
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
