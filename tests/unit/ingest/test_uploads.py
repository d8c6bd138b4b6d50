"""Do uploads go on where they broke off, and leave nothing behind but what was completed?"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from services.fingerprint.service import FingerprintService
from services.fingerprint.settings import FingerprintSettings
from services.ingest.service import Upload
from services.ingest.settings import IngestSettings
from services.ingest.songs import Status
from shared.errors import Rejected
from shared.events import SongDeleted, SongFingerprintFailed, SongUploaded, Tags
from shared.messaging.bus import Subscription
from shared.storage.blobs import SignedRequest
from shared.storage.files import FolderStore
from shared.storage.fingerprints import FingerprintStore
from tests.unit.ingest.instance import Ingest, person

LARGE = 20 * 1024**2


async def registered(ingest: Ingest, size_bytes: int = 4, *, key: str | None = None) -> Upload:
    return await ingest.service.register(
        person("ada"),
        file_name="a",
        size_bytes=size_bytes,
        content_type="audio/flac",
        typed=Tags(),
        idempotency_key=key,
    )


async def send(ingest: Ingest, key: str, signed: SignedRequest, content: bytes) -> None:
    async def blocks() -> AsyncIterator[bytes]:
        yield content

    grant = ingest.blobs.verify(signed.method, key, parse_qsl(urlsplit(signed.url).query))
    await ingest.blobs.receive(grant, blocks())


async def test_registration_that_is_repeated_begins_no_second_upload(ingest: Ingest, tmp_path: Path) -> None:
    first, again = [await registered(ingest, LARGE, key="key") for _ in range(2)]

    assert again.song == first.song
    assert [one.name for one in (tmp_path / "uploads").iterdir()] == [first.song.upload_id]


async def test_upload_that_broke_off_tells_its_owner_which_parts_arrived_whole(ingest: Ingest, tmp_path: Path) -> None:
    song = (await registered(ingest, LARGE)).song
    folder = tmp_path / "uploads" / str(song.upload_id)
    (folder / "00002").write_bytes(bytes(IngestSettings().part_bytes))
    (folder / "00003").write_bytes(b"of another size")

    going_on = await ingest.service.upload(person("ada"), song.song_id)

    assert (going_on.song, going_on.arrived) == (song, (2,))
    assert [part.number for part in going_on.parts] == [1, 2, 3, 4]
    with pytest.raises(Rejected, match="there is no song"):
        await ingest.service.upload(person("eve"), song.song_id)


async def test_deleting_an_unfinished_song_removes_the_parts_that_have_arrived(ingest: Ingest, tmp_path: Path) -> None:
    song = (await registered(ingest, LARGE)).song

    await ingest.service.delete(person("ada"), song.song_id)
    await ingest.service.on_song_ended(SongDeleted(song_id=song.song_id, revision=2))

    assert list((tmp_path / "uploads").iterdir()) == []


async def test_song_whose_bytes_have_arrived_is_never_signed_for_upload_again(ingest: Ingest) -> None:
    song = await ingest.upload("ada", b"song", file_name="a", idempotency_key="key")

    again = await registered(ingest, key="key")

    assert (again.song.song_id, again.song.status) == (song.song_id, Status.UPLOADED)
    assert (again.request, again.parts) == (None, ())


async def test_bytes_that_are_sent_again_change_nothing_and_are_swept(tmp_path: Path) -> None:
    settings = IngestSettings(abandoned_after_s=600, upload_url_s=60)
    async with Ingest.open(tmp_path, settings) as ingest:
        song = await ingest.upload("ada", b"as completed")
        await ingest.blobs.put(song.upload_key, b"sent again!!", content_type="audio/flac")
        await ingest.fingerprint(song.song_id)
        assert await ingest.blobs.get(song.blob_key) == b"as completed"

        await ingest.sweeper.sweep()
        assert await ingest.blobs.head(song.upload_key) is not None
        old = time.time() - 700
        os.utime(ingest.blobs.path(song.upload_key), (old, old))
        await ingest.sweeper.sweep()

        assert await ingest.blobs.head(song.upload_key) is None
        assert await ingest.blobs.get(song.blob_key) == b"as completed"


async def test_upload_that_is_still_awaited_is_not_swept(tmp_path: Path) -> None:
    async with Ingest.open(tmp_path) as ingest:
        upload = await registered(ingest)
        await ingest.blobs.put(upload.song.upload_key, b"song", content_type="audio/flac")
        os.utime(ingest.blobs.path(upload.song.upload_key), (0, 0))

        await ingest.sweeper.sweep()

        assert (await ingest.service.complete(person("ada"), upload.song.song_id)).status is Status.UPLOADED


async def test_completing_goes_on_where_a_crash_left_it(ingest: Ingest) -> None:
    song = (await registered(ingest)).song
    await ingest.blobs.put(song.upload_key, b"song", content_type="audio/flac")
    await ingest.blobs.move(song.upload_key, song.blob_key)  # the last that was done before the crash
    await ingest.blobs.put(song.upload_key, b"evil", content_type="audio/flac")

    done = await ingest.service.complete(person("ada"), song.song_id)

    assert done.status is Status.UPLOADED
    assert await ingest.blobs.get(song.blob_key) == b"song"


async def test_what_is_sent_for_a_deleted_song_goes_with_it(ingest: Ingest) -> None:
    song = await ingest.upload("ada")
    await ingest.blobs.put(song.upload_key, b"again", content_type="audio/flac")
    await ingest.service.delete(person("ada"), song.song_id)

    await ingest.service.on_song_ended(SongDeleted(song_id=song.song_id, revision=3))

    assert [await ingest.blobs.head(key) for key in (song.upload_key, song.blob_key)] == [None, None]


async def test_parts_that_were_joined_before_a_crash_are_not_asked_for_again(tmp_path: Path) -> None:
    async with Ingest.open(tmp_path, IngestSettings(multipart_above_bytes=0)) as ingest:
        upload = await registered(ingest)
        song = upload.song
        assert song.upload_id is not None
        await send(ingest, song.upload_key, upload.parts[0].request, b"song")

        await ingest.blobs.complete_multipart(song.upload_key, song.upload_id, size_bytes=4)
        assert (await ingest.service.upload(person("ada"), song.song_id)).arrived == (1,)
        await ingest.blobs.move(song.upload_key, song.blob_key)
        assert (await ingest.service.upload(person("ada"), song.song_id)).arrived == (1,)

        assert (await ingest.service.complete(person("ada"), song.song_id)).status is Status.UPLOADED


@pytest.mark.parametrize("multipart_above_bytes", [0, 100])
async def test_an_upload_may_be_completed_many_times_at_once(tmp_path: Path, multipart_above_bytes: int) -> None:
    async with Ingest.open(tmp_path, IngestSettings(multipart_above_bytes=multipart_above_bytes)) as ingest:
        for number in range(20):
            upload = await registered(ingest)
            signed = upload.request or upload.parts[0].request
            await send(ingest, upload.song.upload_key, signed, f"{number:04}".encode())
            completing = (ingest.service.complete(person("ada"), upload.song.song_id) for _ in range(8))
            assert {song.status for song in await asyncio.gather(*completing)} == {Status.UPLOADED}


class SlowMover(FolderStore):
    """Moves as S3 does, which copies for a while: what is deleted under both keys meanwhile appears afterwards."""

    copying, may_end = asyncio.Event(), asyncio.Event()

    async def move(self, source: str, target: str) -> None:
        content = await self.get(source)
        self.copying.set()
        await self.may_end.wait()
        await self.put(target, content, content_type="audio/flac")


async def test_no_bytes_stay_of_a_song_that_is_deleted_while_it_is_completed(tmp_path: Path) -> None:
    blobs = SlowMover(tmp_path, base_url="http://test", secret=bytes(16))
    async with Ingest.open(tmp_path, blobs=blobs) as ingest:
        song = (await registered(ingest)).song
        await blobs.put(song.upload_key, b"song", content_type="audio/flac")

        completing = asyncio.create_task(ingest.service.complete(person("ada"), song.song_id))
        await blobs.copying.wait()
        await ingest.service.delete(person("ada"), song.song_id)
        await ingest.service.on_song_ended(SongDeleted(song_id=song.song_id, revision=2))
        blobs.may_end.set()

        with pytest.raises(Rejected, match="there is no song"):
            await completing
        assert [await blobs.head(key) for key in (song.upload_key, song.blob_key)] == [None, None]


async def test_what_is_stored_of_a_song_after_it_was_deleted_is_removed_again(ingest: Ingest) -> None:
    deleted: asyncio.Queue[SongDeleted] = asyncio.Queue()
    await ingest.bus.subscribe(Subscription(SongDeleted, deleted.put, queue="test.song-deleted"))
    song = await ingest.upload("ada")
    await ingest.service.delete(person("ada"), song.song_id)
    await deleted.get()

    assert (await ingest.fingerprint(song.song_id)).status is Status.DELETED

    async with asyncio.timeout(30):
        assert (await deleted.get()).song_id == song.song_id


async def test_file_that_is_swapped_after_it_was_completed_becomes_no_song(ingest: Ingest) -> None:
    failures: asyncio.Queue[SongFingerprintFailed] = asyncio.Queue()
    heard = Subscription(SongFingerprintFailed, failures.put, queue="test.song-fingerprint-failed")
    await ingest.bus.subscribe(heard)
    fingerprints = FingerprintStore(ingest.table)
    service = FingerprintService(fingerprints, ingest.blobs, ingest.bus, FingerprintSettings())
    song = await ingest.upload("ada", b"decided")
    await ingest.blobs.put(song.blob_key, b"swapped", content_type="audio/flac")
    assert song.content_sha256 is not None

    await service.on_song_uploaded(
        SongUploaded(
            song_id=song.song_id,
            revision=song.revision,
            blob_key=song.blob_key,
            size_bytes=song.size_bytes,
            content_sha256=song.content_sha256,
        )
    )

    async with asyncio.timeout(30):
        assert (await failures.get()).code == "content_changed"
