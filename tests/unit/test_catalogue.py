"""Does the summary of a virtual shard always tell which songs it has?"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.ingest.songs import Song, Status
from services.ingest.store import SongStore, claim_content, publish_entry
from shared.catalogue import SONGS, Library, LibraryEntry, count_in, summary_of
from shared.events import Tags
from shared.messaging.memory import MemoryBus
from shared.messaging.outbox import Outbox
from shared.sharding import VIRTUAL_SHARDS, virtual_shard
from shared.storage.sqlite import SqliteTable
from shared.storage.tables import Delete, Key, Put

ONE_SHARD = [song_id for song_id in (f"song-{number}" for number in range(40_000)) if virtual_shard(song_id) == 7]


@dataclass(frozen=True)
class Parts:
    table: SqliteTable
    store: SongStore
    library: Library

    async def make_ready(self, song_id: str) -> Song:
        song = Song(song_id, "me", "a.flac", 4, "audio/flac", "2026-01-01", content_sha256=song_id)
        song = song.becomes(Status.UPLOADED).becomes(Status.FINGERPRINTED)
        await self.store.add(song, None, "")
        ready = song.becomes(Status.READY)
        return await self.store.change(song, ready, also=[claim_content(ready), *publish_entry(ready)])

    async def edit(self, song: Song) -> Song:
        after = song.revised(typed=Tags(title=f"title {song.revision}"))
        return await self.store.change(song, after, also=await self.store.rewrite_entry(after))

    async def delete(self, song: Song) -> Song:
        after = song.becomes(Status.DELETED)
        return await self.store.change(song, after, also=await self.store.bury_entry(after))


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    table = SqliteTable(tmp_path / "tables.sqlite", SONGS)
    bus = MemoryBus(None)
    await bus.connect()
    yield Parts(table, SongStore(table, Outbox(table, SONGS.indexes[0], bus)), Library(table))
    await bus.close()
    await table.close()


async def test_summaries_follow_songs_that_come_change_and_go(parts: Parts) -> None:
    rng = random.Random(7)
    for virtual in range(VIRTUAL_SHARDS):
        await parts.library.of_virtual_shard(virtual)
    live: list[Song] = []
    for song_id in ONE_SHARD[:25]:
        live.append(await parts.make_ready(song_id))
        if rng.random() < 0.5:
            chosen = rng.randrange(len(live))
            live[chosen] = await parts.edit(live[chosen])
        if rng.random() < 0.3:
            await parts.delete(live.pop(rng.randrange(len(live))))

    summaries = await parts.library.summaries(range(VIRTUAL_SHARDS))

    entries = [one for one in await parts.library.of_virtual_shard(7) if not one.is_deleted]
    assert {one.song_id: one.title for one in entries} == {one.song_id: one.title for one in live}
    assert summaries[7] == summary_of(entries)
    assert {one.count for virtual, one in summaries.items() if virtual != 7} == {0}


async def test_summary_that_does_not_know_all_songs_says_nothing_until_they_are_read(parts: Parts) -> None:
    older = LibraryEntry(ONE_SHARD[0], 4)
    await parts.table.put(older.item())  # as it was before there were summaries
    assert await parts.library.summaries([7]) == {}
    newer = await parts.make_ready(ONE_SHARD[1])
    assert await parts.library.summaries([7]) == {}

    entries = await parts.library.of_virtual_shard(7)

    assert {one.song_id for one in entries} == {older.song_id, newer.song_id}
    assert await parts.library.summaries([7]) == {7: summary_of(entries)}
    await parts.delete(newer)
    assert await parts.library.summaries([7]) == {7: summary_of([older])}


async def test_wrong_summary_is_repaired_by_who_reads_the_songs(parts: Parts) -> None:
    await parts.library.of_virtual_shard(7)
    song = await parts.make_ready(ONE_SHARD[0])
    await parts.table.transact([count_in(LibraryEntry(ONE_SHARD[1], 3))])

    entries = await parts.library.of_virtual_shard(7)

    assert await parts.library.summaries([7]) == {7: summary_of([song.entry()])} == {7: summary_of(entries)}


async def test_summary_is_not_written_over_a_change_that_was_not_read(parts: Parts, tmp_path: Path) -> None:
    await parts.library.of_virtual_shard(7)
    arriving = LibraryEntry(ONE_SHARD[0], 4)

    class Overtaken(SqliteTable):
        """A table in which a song arrives between the reading of a summary and its repair."""

        async def put(self, item: object, *, condition: object = None) -> None:
            await self.transact([Put(arriving.item()), count_in(arriving)])
            await super().put(item, condition=condition)  # type: ignore[arg-type]  # forwarded as they are

    await parts.table.transact([Delete(Key("library-summary#0007", "summary"))])
    overtaken = Overtaken(tmp_path / "tables.sqlite", SONGS)
    try:
        assert await Library(overtaken).of_virtual_shard(7) == []
    finally:
        await overtaken.close()

    assert await parts.library.summaries([7]) == {}
    assert await parts.library.of_virtual_shard(7) == [arriving]
    assert await parts.library.summaries([7]) == {7: summary_of([arriving])}
