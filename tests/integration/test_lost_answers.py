"""Is anything done twice, or forgotten, when a store does what it is asked and its answer is lost on the way?"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from deploy.local.fault_proxy import DYNAMODB_REFUSALS, S3_REFUSALS, Fault, FaultProxy
from services.ingest.songs import Song, Status
from services.ingest.usage import Usage
from services.streaming.requests import Requests
from services.streaming.store import LISTENING
from shared.catalogue import SONGS
from shared.errors import Unavailable
from shared.events import SongMeasurementRequested, Tags
from shared.messaging.bus import Subscription
from shared.messaging.memory import MemoryBus
from shared.runtime.settings import BlobSettings, TableSettings
from shared.storage.dynamodb import DynamoTable
from shared.storage.s3 import S3Store
from shared.storage.tables import ConditionFailed
from tests.unit.ingest.instance import Ingest, person

T = TypeVar("T")
UNRELIABLE = Fault(refused=0.1, unanswered=0.2)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def until_served(action: Callable[[], Awaitable[T]]) -> T:
    """Do what is safe to do again, as clients and the bus do."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await action()
            except (Unavailable, ConditionFailed):
                await asyncio.sleep(0.01)


@pytest.fixture
async def proxy(dynamodb_endpoint: str) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(port_of(dynamodb_endpoint), refusals=DYNAMODB_REFUSALS) as proxy:
        yield proxy


@pytest.fixture
async def ingest(proxy: FaultProxy, tmp_path: Path) -> AsyncIterator[Ingest]:
    settings = TableSettings(prefix=f"t{secrets.token_hex(4)}-", endpoint_url=f"http://127.0.0.1:{proxy.port}")
    table = DynamoTable(settings, SONGS)
    await table.create()
    async with Ingest.open(tmp_path, table=table) as ingest:
        yield ingest


async def uploaded(ingest: Ingest, number: int) -> Song:
    """Upload one of two equal files."""
    content = f"file {number // 2}".encode()
    registered = await until_served(
        lambda: ingest.service.register(
            person("ada"),
            file_name="song.flac",
            size_bytes=len(content),
            content_type="audio/flac",
            typed=Tags(),
            idempotency_key=str(number),
        )
    )
    await ingest.blobs.put(registered.song.upload_key, content, content_type="audio/flac")
    song = await until_served(lambda: ingest.service.complete(person("ada"), registered.song.song_id))
    return await until_served(lambda: ingest.fingerprint(song.song_id))


async def test_each_recording_is_one_song_and_counted_once(ingest: Ingest, proxy: FaultProxy) -> None:
    proxy.fault = UNRELIABLE
    ended = await asyncio.gather(*(uploaded(ingest, number) for number in range(6)))
    proxy.fault = Fault()

    assert proxy.counts["unanswered"]
    assert sorted(song.status for song in ended) == [Status.DUPLICATE] * 3 + [Status.READY] * 3
    assert len({song.song_id for song in ended}) == 6
    assert await ingest.store.usage("ada") == Usage(3, 3 * len("file 0"), 0)
    songs, _ = await ingest.service.find(person("ada"))
    assert len(songs) == 6


async def test_blobs_arrive_whole_and_where_they_belong(s3_endpoint: str) -> None:
    async with FaultProxy(port_of(s3_endpoint), refusals=S3_REFUSALS) as proxy:
        settings = BlobSettings(
            bucket=f"t{secrets.token_hex(4)}",
            endpoint_url=f"http://127.0.0.1:{proxy.port}",
            cors_origins=["http://localhost"],
        )
        store = S3Store(settings)
        await store.open()
        proxy.fault = UNRELIABLE
        content = {f"uploads/{number}": secrets.token_bytes(1000) for number in range(6)}

        async def take(key: str) -> None:
            await until_served(lambda: store.put(key, content[key], content_type="audio/flac"))
            await until_served(lambda: store.move(key, f"songs/{key}"))

        await asyncio.gather(*map(take, content))
        proxy.fault = Fault()
        assert proxy.counts["unanswered"]
        assert [blob.key for blob in await store.list("")] == [f"songs/{key}" for key in content]
        assert [await store.get(f"songs/{key}") for key in content] == list(content.values())
        await store.close()


async def test_work_on_a_song_is_asked_for_once_and_never_forgotten(proxy: FaultProxy) -> None:
    settings = TableSettings(prefix=f"t{secrets.token_hex(4)}-", endpoint_url=f"http://127.0.0.1:{proxy.port}")
    table = DynamoTable(settings, LISTENING)
    await table.create()
    bus = MemoryBus(None)
    await bus.connect()
    heard: asyncio.Queue[SongMeasurementRequested] = asyncio.Queue()
    await bus.subscribe(Subscription(SongMeasurementRequested, heard.put, queue="test.song-measurement-requested"))
    requests = Requests(table, bus)
    songs = [str(number) for number in range(30)]

    async def ask(song_id: str) -> None:
        event = SongMeasurementRequested(song_id=song_id, revision=1)
        await until_served(lambda: requests.ask(event, again_after_s=600))

    proxy.fault = Fault(unanswered=0.2)
    await asyncio.gather(*map(ask, songs), *map(ask, songs))
    proxy.fault = Fault()
    async with asyncio.timeout(30):
        assert sorted([(await heard.get()).song_id for _ in songs]) == sorted(songs)
    await bus.close()
    await table.close()
