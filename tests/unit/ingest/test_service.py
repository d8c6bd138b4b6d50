"""What is left behind by uploads that are repeated, never finished, or swapped?"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from services.fingerprint.service import FingerprintService
from services.fingerprint.settings import FingerprintSettings
from services.ingest.decision import Decision
from services.ingest.service import IngestService, Upload
from services.ingest.settings import IngestSettings
from services.ingest.songs import Status
from services.ingest.store import SongStore
from shared.catalogue import SONGS
from shared.errors import Rejected
from shared.events import SongDeleted, SongFingerprintFailed, SongUploaded, Tags
from shared.messaging.bus import Subscription
from shared.messaging.inbox import ReplyInbox
from shared.messaging.memory import MemoryBus
from shared.messaging.outbox import Outbox
from shared.runtime.identity import Identity
from shared.storage.files import FolderStore
from shared.storage.fingerprints import FINGERPRINTS, FingerprintStore
from shared.storage.sqlite import SqliteTable

OWNER = Identity("me", "me", "contributor")
LARGE = 20 * 1024**2


@dataclass(frozen=True)
class Parts:
    service: IngestService
    blobs: FolderStore
    bus: MemoryBus
    uploads: Path
    fingerprints: FingerprintStore

    async def register(self, size_bytes: int) -> Upload:
        return await self.service.register(
            OWNER,
            file_name="song.flac",
            size_bytes=size_bytes,
            content_type="audio/flac",
            typed=Tags(),
            idempotency_key="key",
        )


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    table = SqliteTable(tmp_path / "tables.sqlite", SONGS)
    fingerprints = SqliteTable(tmp_path / "tables.sqlite", FINGERPRINTS)
    blobs = FolderStore(tmp_path, base_url="http://test", secret=bytes(16))
    await blobs.open()
    bus = MemoryBus(None)
    await bus.connect()
    store = SongStore(table, Outbox(table, SONGS.indexes[0], bus))
    decision = Decision(store, bus, ReplyInbox(bus, "ingest"), deadline_s=1)
    service = IngestService(store, blobs, decision, IngestSettings())
    yield Parts(service, blobs, bus, tmp_path / "uploads", FingerprintStore(fingerprints))
    await bus.close()
    await blobs.close()
    await table.close()
    await fingerprints.close()


async def test_registration_that_is_repeated_begins_no_second_upload(parts: Parts) -> None:
    first, again = await parts.register(LARGE), await parts.register(LARGE)

    assert again.song == first.song
    assert [one.name for one in parts.uploads.iterdir()] == [first.song.upload_id]


async def test_upload_that_broke_off_tells_its_owner_which_parts_arrived_whole(parts: Parts) -> None:
    song = (await parts.register(LARGE)).song
    folder = parts.uploads / str(song.upload_id)
    (folder / "00002").write_bytes(bytes(IngestSettings().part_bytes))
    (folder / "00003").write_bytes(b"of another size")

    going_on = await parts.service.upload(OWNER, song.song_id)

    assert (going_on.song, going_on.arrived) == (song, (2,))
    assert [part.number for part in going_on.parts] == [1, 2, 3, 4]
    with pytest.raises(Rejected) as refusal:
        await parts.service.upload(replace(OWNER, user_id="another"), song.song_id)
    assert refusal.value.code == "song_not_found"


async def test_deleting_an_unfinished_song_removes_the_parts_that_have_arrived(parts: Parts) -> None:
    song = (await parts.register(LARGE)).song

    await parts.service.delete(OWNER, song.song_id)
    await parts.service.on_song_ended(SongDeleted(song_id=song.song_id, revision=2))

    assert list(parts.uploads.iterdir()) == []


async def test_song_whose_bytes_have_arrived_is_never_signed_for_upload_again(parts: Parts) -> None:
    song = (await parts.register(4)).song
    await parts.blobs.put(song.upload_key, b"song", content_type="audio/flac")
    await parts.service.complete(OWNER, song.song_id)

    again = await parts.register(4)

    assert (again.song.song_id, again.song.status) == (song.song_id, Status.UPLOADED)
    assert (again.request, again.parts) == (None, ())


async def test_file_that_is_swapped_after_it_was_completed_becomes_no_song(parts: Parts) -> None:
    failures: list[SongFingerprintFailed] = []

    async def hear(event: SongFingerprintFailed) -> None:
        failures.append(event)

    await parts.bus.subscribe(Subscription(SongFingerprintFailed, hear, queue="test.song-fingerprint-failed"))
    service = FingerprintService(parts.fingerprints, parts.blobs, parts.bus, FingerprintSettings())
    await parts.blobs.put("songs/one", b"swapped", content_type="audio/flac")

    await service.on_song_uploaded(
        SongUploaded(
            song_id="one",
            revision=2,
            blob_key="songs/one",
            size_bytes=7,
            content_sha256=hashlib.sha256(b"decided").hexdigest(),
        )
    )
    await parts.bus.unsubscribe("test.song-fingerprint-failed")

    assert [one.code for one in failures] == ["content_changed"]
