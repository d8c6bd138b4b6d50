"""Does a new replica begin with what a sibling has left in the bucket?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import structlog

from services.matcher.replica import Replica
from services.matcher.shared_snapshots import Snapshots
from shared.storage.blobs import BlobInfo
from shared.storage.files import FolderStore
from tests.unit.recognition.replicas import NAMES, SMALL, Catalogue, catalogue_in, running, until


@pytest.fixture
async def catalogue(tmp_path: Path) -> AsyncIterator[Catalogue]:
    async with catalogue_in(tmp_path) as made:
        yield made


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FolderStore]:
    store = FolderStore(tmp_path / "blobs", base_url="http://test", secret=bytes(16))
    await store.open()
    yield store
    await store.close()


async def leave(replica: Replica, blobs: FolderStore) -> None:
    with replica.index.snapshot() as held:
        await Snapshots(blobs, SMALL, "a", every=timedelta(0)).leave(held, "these songs")


async def keys(blobs: FolderStore, kind: str) -> list[str]:
    return [blob.key for blob in await blobs.list("snapshots/") if f"/{kind}/" in blob.key]


async def test_new_replica_takes_the_snapshot_and_catches_up(catalogue: Catalogue, blobs: FolderStore) -> None:
    for number in range(20):
        await catalogue.add(number)
    async with running(catalogue.replica("a", blobs)) as first:
        await leave(first, blobs)
    await catalogue.delete(3)
    await catalogue.add(20)
    for song_id in NAMES[:20]:
        await catalogue.fingerprints.delete(song_id)

    async with running(catalogue.replica("b", blobs)) as second:
        assert catalogue.is_held_by(second)


async def test_next_snapshot_brings_only_new_segments_and_two_snapshots_stay(
    catalogue: Catalogue, blobs: FolderStore
) -> None:
    async with running(catalogue.replica("a", blobs)) as replica:
        seen: list[set[str]] = []
        for number in range(4):
            await replica.on_change(await catalogue.add(number))
            await leave(replica, blobs)
            seen.append(set(await keys(blobs, "segments")))

    assert [len(before & after) for before, after in pairwise(seen)] == [1, 2, 3]
    assert len(await keys(blobs, "descriptions")) == 2


@pytest.mark.parametrize("lost", ["segments", "descriptions"])
async def test_snapshot_of_which_a_part_is_gone_delays_nothing(
    catalogue: Catalogue, blobs: FolderStore, lost: str
) -> None:
    await catalogue.add(1)
    async with running(catalogue.replica("a", blobs)) as first:
        await leave(first, blobs)
    for key in await keys(blobs, lost):
        await blobs.delete(key)

    async with running(catalogue.replica("b", blobs)) as second:
        assert catalogue.is_held_by(second)


async def test_one_replica_of_a_shard_leaves_snapshots_of_what_is_new_until_it_is_gone(
    catalogue: Catalogue, blobs: FolderStore
) -> None:
    async def due(replica: str, every: timedelta, contents: str) -> bool:
        return await Snapshots(blobs, SMALL, replica, every=every).is_due(contents)

    moment, soon, long = timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=1)
    assert await due("b", long, "these songs")
    async with running(catalogue.replica("a", blobs)) as replica:
        await leave(replica, blobs)

    assert not await due("a", long, "other songs")
    await asyncio.sleep(1.1)
    assert await due("a", soon, "other songs")
    assert not await due("a", soon, "these songs")
    assert not await due("b", soon, "other songs")
    assert await due("b", moment, "other songs")


class TidiedStore(FolderStore):
    """A bucket from which a sibling removes the descriptions that one has just been told of."""

    async def list(self, prefix: str, *, limit: int = 1000) -> Sequence[BlobInfo]:
        found = await super().list(prefix, limit=limit)
        for blob in found:
            if "/descriptions/" in blob.key:
                await self.delete(blob.key)
        return found


async def test_replica_goes_on_when_a_sibling_tidies_up_at_the_same_moment(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    blobs = TidiedStore(tmp_path / "blobs", base_url="http://test", secret=bytes(16))
    await blobs.open()
    await catalogue.add(1)
    async with running(catalogue.replica("a", blobs)) as replica:
        with structlog.testing.capture_logs() as logs:
            leaving = asyncio.create_task(replica.leave_snapshots())
            await until(lambda: any(line["event"] == "snapshot.not_left" for line in logs))

        assert not leaving.done()
        leaving.cancel()
    await blobs.close()
