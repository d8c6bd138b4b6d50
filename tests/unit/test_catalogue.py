"""Does the summary of a virtual shard always tell which songs it has?"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.ingest.songs import Song, Status
from services.ingest.store import SongStore, claim_content, publish_entry
from shared.catalogue import SONGS, Contents, Library, LibraryEntry, count_in
from shared.events import Tags
from shared.messaging.memory import MemoryBus
from shared.messaging.outbox import Outbox
from shared.sharding import virtual_shard
from shared.storage.sqlite import SqliteTable

ONE_SHARD = [song_id for song_id in (f"song-{number}" for number in range(40_000)) if virtual_shard(song_id) == 7]


@dataclass(frozen=True)
class Parts:
    table: SqliteTable
    store: SongStore
    entries: Library

    async def contents(self, virtual: int = 7) -> Contents | None:
        """What the summary says."""
        return (await self.entries.summaries([virtual]))[virtual].contents

    async def read(self, virtual: int = 7) -> list[LibraryEntry]:
        """Read a virtual shard and correct its summary, as replicas do."""
        before = await self.entries.summaries([virtual])
        entries = await self.entries.of_virtual_shard(virtual)
        await self.entries.correct_summaries(before, {virtual: Contents.of(entries)})
        return entries

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
    await parts.read()
    live: list[Song] = []
    for song_id in ONE_SHARD[:25]:
        live.append(await parts.make_ready(song_id))
        if rng.random() < 0.5:
            chosen = rng.randrange(len(live))
            live[chosen] = await parts.edit(live[chosen])
        if rng.random() < 0.3:
            await parts.delete(live.pop(rng.randrange(len(live))))

    entries = [one for one in await parts.entries.of_virtual_shard(7) if not one.is_deleted]
    assert {one.song_id: one.title for one in entries} == {one.song_id: one.title for one in live}
    assert await parts.contents() == Contents.of(entries)


async def test_summary_that_does_not_know_all_songs_says_nothing_until_they_are_read(parts: Parts) -> None:
    older = LibraryEntry(ONE_SHARD[0], 4)
    await parts.table.put(older.item())  # as it was before there were summaries
    assert await parts.contents() is None
    newer = await parts.make_ready(ONE_SHARD[1])
    assert await parts.contents() is None

    entries = await parts.read()

    assert {one.song_id for one in entries} == {older.song_id, newer.song_id}
    assert await parts.contents() == Contents.of(entries)
    await parts.delete(newer)
    assert await parts.contents() == Contents.of([older])


async def test_wrong_summary_is_repaired_by_who_reads_the_songs(parts: Parts) -> None:
    await parts.read()
    song = await parts.make_ready(ONE_SHARD[0])
    await parts.table.transact([count_in(LibraryEntry(ONE_SHARD[1], 3))])

    await parts.read()

    assert await parts.contents() == Contents.of([song.entry()])


@pytest.mark.parametrize("is_there", [False, True])
async def test_summary_is_not_written_over_a_change_that_was_not_read(parts: Parts, *, is_there: bool) -> None:
    if is_there:
        await parts.read()
        await parts.table.transact([count_in(LibraryEntry(ONE_SHARD[1], 3))])  # wrong, and to be corrected
    before = await parts.entries.summaries([7])
    entries = await parts.entries.of_virtual_shard(7)
    song = await parts.make_ready(ONE_SHARD[0])

    await parts.entries.correct_summaries(before, {7: Contents.of(entries)})

    assert await parts.contents() != Contents.of(entries)
    await parts.read()
    assert await parts.contents() == Contents.of([song.entry()])
