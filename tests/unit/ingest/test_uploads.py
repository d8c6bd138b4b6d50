"""Does an address that was signed once reach anything that matters later?"""

from __future__ import annotations

import os
import time
from pathlib import Path

from services.ingest.settings import IngestSettings
from services.ingest.songs import Status
from shared.events import SongDeleted, Tags
from tests.unit.ingest.instance import Ingest, person


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
        upload = await ingest.service.register(
            person("ada"), file_name="a", size_bytes=4, content_type="audio/flac", typed=Tags(), idempotency_key=None
        )
        await ingest.blobs.put(upload.song.upload_key, b"song", content_type="audio/flac")
        os.utime(ingest.blobs.path(upload.song.upload_key), (0, 0))

        await ingest.sweeper.sweep()

        assert (await ingest.service.complete(person("ada"), upload.song.song_id)).status is Status.UPLOADED


async def test_completing_goes_on_where_a_crash_left_it(ingest: Ingest) -> None:
    upload = await ingest.service.register(
        person("ada"), file_name="a", size_bytes=4, content_type="audio/flac", typed=Tags(), idempotency_key=None
    )
    song = upload.song
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
