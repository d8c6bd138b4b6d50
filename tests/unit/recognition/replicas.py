"""How do tests of replicas come by a catalogue, and by songs that come and go?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from services.matcher.replica import Replica
from services.matcher.settings import MatcherSettings
from services.matcher.shared_snapshots import Snapshots
from shared.catalogue import SONGS, Library, LibraryEntry, count_in, count_out
from shared.events import SongDeleted, SongReady
from shared.sharding import Shard
from shared.storage.blobs import BlobStore
from shared.storage.fingerprints import FINGERPRINTS, FingerprintStore
from shared.storage.sqlite import SqliteTable
from shared.storage.tables import Put
from tests.unit.recognition.fingerprints import random_fingerprint

SMALL = Shard(7, 128)
"""A shard of eight virtual shards: most of the time of a test with all of them would be theirs."""
NAMES = [name for name in (f"song-{number}" for number in range(10_000)) if SMALL.owns(name)]
OFTEN = MatcherSettings(compare_every_s=0.02, save_every_s=0.02, snapshot_every_s=0.02)


@dataclass
class Catalogue:
    """The stores that replicas read, and the songs in them."""

    folder: Path
    songs: SqliteTable
    peaks: SqliteTable
    live: dict[str, int] = field(default_factory=dict)

    @property
    def entries(self) -> Library:
        return Library(self.songs)

    @property
    def fingerprints(self) -> FingerprintStore:
        return FingerprintStore(self.peaks)

    def replica(self, name: str, blobs: BlobStore | None = None) -> Replica:
        """A replica with a folder of its own, not started."""
        snapshots = Snapshots(blobs, SMALL, name, every=timedelta(0)) if blobs is not None else None
        folder = self.folder / name
        return Replica(SMALL, self.entries, self.fingerprints, OFTEN, folder=folder, snapshots=snapshots)

    async def add(self, number: int) -> SongReady:
        """Make a song ready, and return the event that tells it."""
        song_id, revision = NAMES[number], 3
        await self.fingerprints.put(song_id, random_fingerprint(number, 8))
        entry = LibraryEntry(song_id, revision)
        await self.songs.transact([Put(entry.item()), count_in(entry)])
        self.live[song_id] = revision
        texts = dict.fromkeys(("owner", "title", "artist", "album", "blob_key", "content_type"), "")
        return SongReady.model_validate({"song_id": song_id, "revision": revision, "duration_s": 8.0, **texts})

    async def delete(self, number: int) -> SongDeleted:
        """Delete a song, and return the event that tells it. Its fingerprint goes later."""
        song_id = NAMES[number]
        revision = self.live.pop(song_id)
        tombstone = LibraryEntry(song_id, revision + 1, is_deleted=True)
        await self.songs.transact([Put(tombstone.item()), count_out(LibraryEntry(song_id, revision))])
        return SongDeleted(song_id=song_id, revision=revision + 1)

    def is_held_by(self, replica: Replica) -> bool:
        """Whether a replica has exactly the songs of the catalogue."""
        return self.live == {
            song_id: revision
            for virtual in SMALL.virtual_shards
            for song_id, revision in replica.index.song_ids_of(virtual)
        }


@asynccontextmanager
async def catalogue_in(folder: Path) -> AsyncIterator[Catalogue]:
    songs, peaks = (SqliteTable(folder / "tables.sqlite", spec) for spec in (SONGS, FINGERPRINTS))
    yield Catalogue(folder, songs, peaks)
    await songs.close()
    await peaks.close()


@asynccontextmanager
async def running(replica: Replica) -> AsyncIterator[Replica]:
    """A replica that is active, and closed at the end."""
    await replica.open()
    await replica.load()
    assert replica.is_active
    try:
        yield replica
    finally:
        await replica.close()


async def until(holds: object) -> None:
    """Wait for what a background task does."""
    assert callable(holds)
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.02)
