"""Does a replica hold exactly the songs of the catalogue, whatever happens to it and to them?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from services.matcher.replica import Replica
from shared.catalogue import Library, Summary
from shared.events import SongDeleted, SongReady
from shared.sharding import virtual_shard
from shared.storage.tables import Delete, Key
from tests.unit.recognition.replicas import NAMES, OFTEN, SMALL, Catalogue, catalogue_in, running, until


@pytest.fixture
async def catalogue(tmp_path: Path) -> AsyncIterator[Catalogue]:
    async with catalogue_in(tmp_path) as made:
        yield made


class OvertakenLibrary(Library):
    """A library in which a song becomes ready right after the summaries were read."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__(catalogue.songs)
        self.catalogue = catalogue
        self.replica: Replica | None = None

    async def summaries(self, virtuals: Iterable[int]) -> dict[int, Summary]:
        found = await super().summaries(virtuals)
        if self.replica is not None:
            replica, self.replica = self.replica, None
            await replica.on_change(await self.catalogue.add(1))
        return found


async def test_song_that_comes_while_a_replica_loads_is_found_afterwards(catalogue: Catalogue) -> None:
    library = OvertakenLibrary(catalogue)
    replica = Replica(SMALL, library, catalogue.fingerprints, OFTEN)
    library.replica = replica

    await replica.load()

    assert replica.is_active
    assert NAMES[1] in replica.index


async def test_restarted_replica_reads_no_song_that_its_folder_holds(catalogue: Catalogue) -> None:
    for number in range(20):
        await catalogue.add(number)
    async with running(catalogue.replica("a")):
        pass
    for song_id in catalogue.live:
        await catalogue.fingerprints.delete(song_id)

    async with running(catalogue.replica("a")) as again:
        assert catalogue.is_held_by(again)


async def test_songs_that_came_and_went_while_a_replica_was_away_are_caught_up(catalogue: Catalogue) -> None:
    for number in range(6):
        await catalogue.add(number)
    async with running(catalogue.replica("a")):
        pass
    await catalogue.delete(1)
    await catalogue.delete(2)
    partition = f"library#{virtual_shard(NAMES[2]):04d}"
    await catalogue.songs.transact([Delete(Key(partition, NAMES[2]))])  # even where the tombstone has expired
    await catalogue.add(6)

    async with running(catalogue.replica("a")) as again:
        assert catalogue.is_held_by(again)


async def test_late_event_does_not_bring_a_deleted_song_back(catalogue: Catalogue) -> None:
    ready = await catalogue.add(1)
    async with running(catalogue.replica("a")) as replica:
        await catalogue.delete(1)
        await replica.on_reconnected()
        await replica.load()

        await replica.on_change(ready)

        assert catalogue.is_held_by(replica)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing", "manifest"])
async def test_damage_is_said_and_the_index_is_right_again(catalogue: Catalogue, tmp_path: Path, damage: str) -> None:
    for number in range(20):
        await catalogue.add(number)
    async with running(catalogue.replica("a")):
        pass
    segment = next((tmp_path / "a").glob("*.segment"))
    content = bytearray(segment.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 4
        segment.write_bytes(content)
    elif damage == "truncated":
        segment.write_bytes(content[: len(content) // 2])
    elif damage == "missing":
        segment.unlink()
    else:
        (tmp_path / "a" / "manifest").write_bytes(b"nonsense")

    with structlog.testing.capture_logs() as logs:
        async with running(catalogue.replica("a")) as replica:
            assert catalogue.is_held_by(replica)

    assert [line["log_level"] for line in logs if line["event"] == "segment.damaged"] == ["warning"]
    with structlog.testing.capture_logs() as logs:
        async with running(catalogue.replica("a")) as replica:
            assert catalogue.is_held_by(replica)
    assert not [line for line in logs if line["event"] == "segment.damaged"]


async def test_difference_that_nobody_told_of_is_found_and_repaired(catalogue: Catalogue) -> None:
    for number in range(3):
        await catalogue.add(number)
    async with running(catalogue.replica("a")) as replica:
        comparing = asyncio.create_task(replica.compare())
        await catalogue.add(3)  # its event is lost
        await catalogue.delete(0)  # and that one too

        await until(lambda: catalogue.is_held_by(replica))
        comparing.cancel()


async def test_song_that_the_summary_has_lost_too_is_found_in_time(catalogue: Catalogue) -> None:
    async with running(catalogue.replica("a")) as replica:
        await catalogue.add(1)
        summary = Key(f"library-summary#{virtual_shard(NAMES[1]):04d}", "summary")
        stored = await catalogue.songs.get(summary)
        assert stored is not None
        await catalogue.songs.put({**stored, "songs": 0, "digest_high": 0, "digest_low": 0})

        comparing = asyncio.create_task(replica.compare())
        await until(lambda: catalogue.is_held_by(replica))
        comparing.cancel()


@pytest.mark.parametrize("seed", range(12))
async def test_replica_equals_the_catalogue_after_any_history(catalogue: Catalogue, seed: int) -> None:
    rng = random.Random(seed)
    replica = catalogue.replica("a")
    await replica.open()
    await replica.load()
    queue: list[SongReady | SongDeleted] = []
    for number in range(40):
        step = rng.random()
        if step < 0.4:
            queue.append(await catalogue.add(number))
        elif step < 0.55 and catalogue.live:
            queue.append(await catalogue.delete(NAMES.index(rng.choice(sorted(catalogue.live)))))
        elif step < 0.8 and queue:  # late, out of order, and some twice
            event = rng.choice(queue)
            await replica.on_change(event)
            if rng.random() < 0.8:
                queue.remove(event)
        elif step < 0.9:  # the connection is lost, and what was in the queue with it
            await replica.on_reconnected()
            queue = [event for event in queue if rng.random() < 0.3]
            await replica.load()
        else:
            if rng.random() < 0.5:
                await replica.close()
            else:  # killed
                replica.index.close()
            replica = catalogue.replica("a")
            await replica.open()
            await replica.load()
    for event in queue:
        await replica.on_change(event)

    assert catalogue.is_held_by(replica)
    with suppress(OSError):
        await replica.close()
