"""Does every song end with one package and nothing besides, whatever happens on the way?"""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile

from services.streaming.grants import Grants
from services.streaming.main import build
from services.streaming.package import DESCRIPTION, Package
from services.streaming.requests import Requests
from services.streaming.service import StreamingService
from services.streaming.settings import StreamingSettings
from services.streaming.store import LISTENING, PackageStore
from services.streaming.sweeper import Sweeper
from shared.catalogue import SONGS, Library, LibraryEntry
from shared.events import Event, SongDeleted, SongPackaged, SongPackageRequested, SongReady
from shared.messaging.bus import Subscription
from shared.messaging.memory import MemoryBus
from shared.messaging.outbox import Outbox
from shared.runtime.app import Runtime
from shared.runtime.identity import Identity, PublishedKeys
from shared.runtime.settings import Settings
from shared.storage.files import FolderStore
from shared.storage.sqlite import SqliteTable
from tests.unit.streaming.conftest import Listening, music, told
from tests.unit.streaming.mortal import PLACES, SECRET
from tunescout.synthesis import tune

SONG_ID = "01KAJ3Q6W8Z4N5T7R9V2X0Y1CD"
ENTRY = LibraryEntry(SONG_ID, 3, owner="me", duration_s=6.0, blob_key=f"songs/{SONG_ID}", content_type="audio/wav")
READY = SongReady(
    song_id=SONG_ID,
    revision=3,
    owner="me",
    title="",
    artist="",
    album="",
    duration_s=6.0,
    blob_key=ENTRY.blob_key,
    content_type="audio/wav",
)
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Parts:
    """A streaming service on the stores of a folder."""

    folder: Path
    bus: MemoryBus
    blobs: FolderStore
    songs: SqliteTable
    packages: PackageStore
    runtime: Runtime
    sweeper: Sweeper

    async def add_song(self, seed: int = 60, duration_s: float = 1.5) -> None:
        path = self.folder / "song.wav"
        soundfile.write(path, tune(seed, duration_s, 44_100), 44_100)
        await self.blobs.put(ENTRY.blob_key, path, content_type="audio/wav")
        await self.songs.put(ENTRY.item())

    async def blobs_of_packages(self) -> set[str]:
        return {blob.key for blob in await self.blobs.list("packages/")}

    async def package(self) -> Package:
        kept = await self.packages.find(SONG_ID)
        assert kept is not None
        stored = await self.blobs.get(f"packages/{SONG_ID}/{kept.package_id}/{DESCRIPTION}")
        return Package.model_validate_json(stored)

    def subscription(self, event: type[Event]) -> Subscription[Any]:
        queue = f"streaming.{event.name.replace('.', '-').replace('_', '-')}"
        return next(one for one in build(self.runtime).subscriptions if one.queue == queue)

    async def hear(self, event: Event) -> None:
        await self.subscription(type(event)).handle(event)

    async def sweep_after(self, **later: float) -> None:
        await self.sweeper.sweep(now=datetime.now(UTC) + timedelta(**later))


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    blobs = FolderStore(tmp_path / "audio", base_url="http://test", secret=SECRET)
    bus = MemoryBus(tmp_path / "events.sqlite")
    runtime = Runtime(
        settings=Settings(data_dir=tmp_path),
        bus=bus,
        blobs=blobs,
        keys=PublishedKeys(None),
        open_table=lambda spec: SqliteTable(tmp_path / "tables.sqlite", spec),
    )
    build(runtime)
    listening, songs = runtime.table(LISTENING), runtime.table(SONGS)
    assert isinstance(songs, SqliteTable)
    await blobs.open()
    for table in runtime.tables.values():
        await table.create()
    await bus.connect()
    packages = PackageStore(listening, Outbox(listening, LISTENING.indexes[0], bus))
    sweeper = Sweeper(packages, blobs)
    yield Parts(tmp_path, bus, blobs, songs, packages, runtime, sweeper)
    await bus.close()
    await blobs.close()
    for table in runtime.tables.values():
        await table.close()


async def live_and_die(folder: Path) -> dict[str, int]:
    """Run the service in processes of its own and return how each of them ended."""
    # Not run as a module: the workers would import all of it again.
    code = "import pathlib, sys; from tests.unit.streaming.mortal import *; live_and_die(pathlib.Path(sys.argv[1]))"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, str(folder)),
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # a process with threads can't be forked safely
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    return {place: int(code) for place, code in (line.split() for line in said.decode().splitlines())}


@pytest.mark.timeout(300)  # six lives, one after the other
async def test_a_song_whose_packaging_is_killed_in_five_places_ends_packaged_once_without_orphans(
    parts: Parts,
) -> None:
    await parts.add_song(duration_s=6.0)
    await parts.bus.declare(parts.subscription(SongReady))
    heard: list[SongPackaged] = []

    async def hear(event: SongPackaged) -> None:
        heard.append(event)

    listener = Subscription(SongPackaged, hear, queue="test.song-packaged")
    await parts.bus.declare(listener)
    await parts.bus.publish(READY)
    await parts.bus.close()

    assert await live_and_die(parts.folder) == dict.fromkeys(PLACES, -signal.SIGKILL) | {"never": 0}

    package = await parts.package()
    assert await parts.blobs_of_packages() == {package.prefix + name for name in (*package.files(), DESCRIPTION)}
    for rendition in package.renditions:
        for number, segment in enumerate(rendition.segments, start=1):
            stored = await parts.blobs.get(f"{package.prefix}{rendition.name}/{number:05}.m4s")
            assert hashlib.sha256(stored).hexdigest() == segment.sha256
    await parts.bus.connect()
    await parts.bus.subscribe(listener)
    async with asyncio.timeout(30):
        while not heard:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert {event.package_id for event in heard} == {package.package_id}
    assert len({event.id for event in heard}) == 1
    before = await parts.blobs_of_packages()
    await parts.sweep_after(days=1)
    assert await parts.blobs_of_packages() == before


async def test_a_song_that_cannot_be_packaged_says_why_and_leaves_nothing(parts: Parts) -> None:
    await parts.blobs.put(ENTRY.blob_key, b"RIFF, but no sound", content_type="audio/wav")
    await parts.songs.put(ENTRY.item())

    await parts.hear(READY)

    failure = await parts.packages.failure(SONG_ID)
    assert failure is not None
    assert failure.code == "not_audio"
    assert await parts.blobs_of_packages() == set()


async def test_packaging_anew_keeps_the_replaced_package_whole_until_its_grants_have_ended(parts: Parts) -> None:
    await parts.add_song(60)
    await parts.hear(READY)
    old, old_blobs = await parts.package(), await parts.blobs_of_packages()
    await parts.add_song(61)

    await parts.hear(READY)  # delivered again: it has a package, so nothing changes
    assert await parts.package() == old
    await parts.hear(SongPackageRequested(song_id=SONG_ID, revision=3))

    new = await parts.package()
    assert new.package_id != old.package_id
    new_blobs = {new.prefix + name for name in (*new.files(), DESCRIPTION)}
    await parts.sweep_after(hours=3.9)
    assert await parts.blobs_of_packages() == old_blobs | new_blobs
    await parts.sweep_after(hours=4.1)
    assert await parts.blobs_of_packages() == new_blobs


async def test_packaging_anew_what_has_not_changed_changes_nothing(parts: Parts) -> None:
    await parts.add_song()
    await parts.hear(READY)
    package, blobs = await parts.package(), await parts.blobs_of_packages()

    await parts.hear(SongPackageRequested(song_id=SONG_ID, revision=3))
    await parts.sweep_after(days=1)

    assert await parts.package() == package
    assert await parts.blobs_of_packages() == blobs


async def test_a_song_that_waits_to_be_packaged_anew_is_not_queued_again(parts: Parts) -> None:
    requested: asyncio.Queue[SongPackageRequested] = asyncio.Queue()
    await parts.bus.subscribe(Subscription(SongPackageRequested, requested.put, queue="test.song-package-requested"))
    library, settings = Library(parts.songs), StreamingSettings()
    grants, requests = Grants(parts.packages.grant_key), Requests(parts.runtime.table(LISTENING), parts.bus)
    service = StreamingService(library, parts.packages, grants, parts.blobs, parts.bus, requests, settings)
    await parts.add_song()

    for _ in range(3):
        await service.request_package(Identity("me", "me", "contributor"), SONG_ID)
    await parts.hear(SongPackageRequested(song_id=SONG_ID, revision=3))
    await parts.songs.put(replace(ENTRY, revision=4).item())
    await service.request_package(Identity("me", "me", "contributor"), SONG_ID)

    async with asyncio.timeout(30):
        assert [(await requested.get()).revision for _ in range(2)] == [3, 4]


async def test_a_song_that_is_deleted_takes_its_package_with_it(parts: Parts) -> None:
    await parts.add_song()
    await parts.hear(READY)

    await parts.hear(SongDeleted(song_id=SONG_ID, revision=4))

    assert await parts.packages.find(SONG_ID) is None
    assert await parts.blobs_of_packages() == set()


async def test_a_song_that_is_deleted_while_it_is_packaged_leaves_nothing(parts: Parts) -> None:
    await parts.add_song(duration_s=6.0)
    packaging = asyncio.create_task(parts.hear(READY))
    async with asyncio.timeout(60):
        while not await parts.blobs_of_packages():  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    await parts.songs.put(LibraryEntry(SONG_ID, 4, is_deleted=True).item())
    await parts.hear(SongDeleted(song_id=SONG_ID, revision=4))
    await packaging

    assert await parts.packages.find(SONG_ID) is None
    assert await parts.blobs_of_packages() == set()


async def test_listeners_hear_when_a_song_is_packaged_or_why_it_is_not(
    listening: Listening, listener: httpx.AsyncClient
) -> None:
    good, bad = await listening.add_song(music(0.5)), await listening.add_song(music(0.5))
    await listening.runtime.blobs.put(f"songs/{bad}", b"RIFF, but no sound", content_type="audio/wav")

    async def heard(song_id: str) -> list[dict[str, Any]]:
        following = asyncio.create_task(listener.get(f"/v1/songs/{song_id}/package/events", timeout=60))
        await asyncio.sleep(0.1)  # so that it hears of the time before, too
        await listening.runtime.bus.publish(SongPackageRequested(song_id=song_id, revision=3))
        return told(await following)

    assert [one["status"] for one in await heard(good)] == ["waiting", "packaged"]
    *before, end = await heard(bad)
    assert [one["status"] for one in before] == ["waiting"]
    assert (end["status"], end["code"]) == ("failed", "not_audio")
    assert 'tunescout_packagings_total{outcome="not_audio"}' in (await listener.get("/metrics")).text
    assert (await listener.get("/v1/songs/none/package/events")).status_code == 404
