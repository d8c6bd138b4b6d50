"""Does reading back notice whatever is lost, left over or counted wrongly?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from bench import readback
from bench.readback import Kept, Stored
from bench.uploaders import Recording, Upload
from services.ingest.listing import relist, word_keys
from services.ingest.songs import Song, Status
from services.ingest.store import claim_content, publish_entry
from services.ingest.usage import partition, usage_of
from shared.events import SongEvent, SongReady
from shared.storage.tables import Put
from tunescout.answers import Song as Told

RECORDING = Recording(7, (Path("7-1.flac"),), is_deleted=False)


def song(song_id: str = "one", status: Status = Status.READY) -> Song:
    new = Song(song_id, "ada", "7-1.flac", 100, "audio/flac", datetime.now(UTC).isoformat())
    heard = new.becomes(Status.UPLOADED, content_sha256=song_id).becomes(Status.FINGERPRINTED, duration_s=14.0)
    return heard if status is Status.FINGERPRINTED else heard.becomes(status)


def kept(*songs: Song) -> Kept:
    """Everything as it must be for these songs."""
    items: list[Stored] = []
    for one in songs:
        items.append({"pk": f"song#{one.song_id}", "sk": "song", "song": TypeAdapter(Song).dump_python(one)})
        items += [dict(write.item) for write in relist(None, one) if isinstance(write, Put)]
        items += [{"pk": key.pk, "sk": key.sk} for key in word_keys(one)]
        if one.status is Status.READY:
            writes = [claim_content(one), *publish_entry(one)]
            items += [dict(write.item) for write in writes if isinstance(write, Put)]
    used = [usage_of(one) for one in songs]
    for name in ("songs", "size_bytes", "jobs"):
        items.append({"pk": partition("ada"), "sk": name, "count": sum(getattr(one, name) for one in used)})
    ready = [one for one in songs if one.status is Status.READY]
    fingerprints = [{"pk": "vshard#0001", "sk": f"{one.song_id}#000"} for one in ready]
    return Kept({"songs": items, "fingerprints": fingerprints}, [one.blob_key for one in ready])


def upload(song_id: str, status: str) -> Upload:
    return Upload(RECORDING, RECORDING.paths[0], {song_id}, Told(id=song_id, status=status))


def test_nothing_is_wrong_where_all_agree() -> None:
    state = kept(song(), song("two", Status.DUPLICATE))
    assert readback.of_items(state) == readback.of_blobs(state) == []
    assert readback.of_uploads([upload("one", "ready"), upload("two", "duplicate")], state) == []


@pytest.mark.parametrize("position", range(1, len(kept(song()).tables["songs"]) - 1))  # there is no job to be lost
def test_each_lost_item_is_noticed(position: int) -> None:
    state = kept(song())
    del state.tables["songs"][position]
    assert readback.of_items(state)


def test_lost_and_left_over_fingerprints_and_blobs_are_noticed() -> None:
    state = kept(song())
    assert readback.of_items(Kept({**state.tables, "fingerprints": []}, state.blobs))
    more = [*state.tables["fingerprints"], {"pk": "vshard#0001", "sk": "two#000"}]
    assert readback.of_items(Kept({**state.tables, "fingerprints": more}, state.blobs))
    assert readback.of_blobs(Kept(state.tables, []))
    assert readback.of_blobs(Kept(state.tables, [*state.blobs, "songs/two"]))


def test_events_that_wait_are_noticed() -> None:
    state = kept(song())
    state.tables["songs"][0]["outbox"] = [{"name": "song.ready"}]
    assert readback.of_items(state)


@pytest.mark.parametrize(
    ("uploads", "songs"),
    [
        ([upload("one", "ready")], []),
        ([upload("one", "ready")], [song(status=Status.FINGERPRINTED)]),
        ([upload("one", "ready")], [song(status=Status.DUPLICATE)]),
        ([upload("one", "ready"), upload("two", "ready")], [song(), song("two")]),
        ([Upload(RECORDING, RECORDING.paths[0], {"one"})], [song()]),
        ([], [song()]),
    ],
    ids=["lost", "stuck", "not as told", "twice", "no end", "nobody's"],
)
def test_uploads_that_went_wrong_are_noticed(uploads: list[Upload], songs: list[Song]) -> None:
    assert readback.of_uploads(uploads, kept(*songs))


def test_decisions_that_nobody_heard_or_that_were_told_as_two_are_noticed() -> None:
    def ready() -> tuple[str, SongEvent]:
        one = song()
        event = SongReady(
            song_id="one", revision=4, owner="ada", title="", artist="", album="", duration_s=14.0,
            blob_key=one.blob_key, content_type="audio/flac",
        )  # fmt: skip
        return event.name, event

    once, again = ready(), ready()
    assert readback.of_events([once, once], kept(song())) == []
    assert readback.of_events([], kept(song()))
    assert readback.of_events([once, again], kept(song()))
