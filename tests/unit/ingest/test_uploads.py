"""Does an address that was signed once reach anything that matters later?"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from services.ingest.service import Upload
from services.ingest.settings import IngestSettings
from services.ingest.songs import Status
from shared.errors import Rejected
from shared.events import SongDeleted, Tags
from shared.messaging.bus import Subscription
from shared.storage.blobs import SignedRequest
from shared.storage.files import FolderStore
from tests.unit.ingest.instance import Ingest, person


async def registered(ingest: Ingest) -> Upload:
    return await ingest.service.register(
        person("ada"), file_name="a", size_bytes=4, content_type="audio/flac", typed=Tags(), idempotency_key=None
    )


async def send(ingest: Ingest, key: str, signed: SignedRequest, content: bytes) -> None:
    async def blocks() -> AsyncIterator[bytes]:
        yield content

    grant = ingest.blobs.verify(signed.method, key, parse_qsl(urlsplit(signed.url).query))
    await ingest.blobs.receive(grant, blocks())


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

    async with asyncio.timeout(10):
        assert (await deleted.get()).song_id == song.song_id
