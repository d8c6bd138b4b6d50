"""Is anything lost, done twice or stuck when something is killed in the middle of the work?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from deploy.local.one_process import OneProcess
from deploy.local.process import Process
from deploy.local.stack import Server, Stack
from tests.e2e.conftest import new_client
from tests.e2e.music import noisy_clip, song, write
from tests.e2e.test_main_job import named
from tunescout.answers import Song
from tunescout.client import Client
from tunescout.importing import AudioFile, Watcher, import_files

pytestmark = pytest.mark.timeout(500)


class _Impatient(Watcher):
    """Tells when some uploads are complete, so that the kill comes while others are on their way."""

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self.is_under_way = asyncio.Event()
        self._complete: set[str] = set()
        self._wanted = wanted

    def changed(self, file: AudioFile, song: Song) -> None:
        self._complete.add(song.id)
        if len(self._complete) >= self._wanted:
            self.is_under_way.set()


async def import_through(client: Client, paths: Sequence[Path], victim: Process | Server) -> list[Song]:
    """Import while the victim is killed and started again; return what became of each file."""
    watcher = _Impatient(wanted=1)
    files = [AudioFile(path) for path in paths]
    importing = asyncio.create_task(import_files(client, files, watcher, parallel=2, deadline_s=180))
    async with asyncio.timeout(120):
        await watcher.is_under_way.wait()
    await asyncio.to_thread(victim.kill)
    await asyncio.sleep(0.5)
    await asyncio.to_thread(victim.start)
    await importing
    ended = [outcome.song for outcome in watcher.outcomes]
    assert [outcome.error for outcome in watcher.outcomes] == [None] * len(paths)
    return [one for one in ended if one is not None]


async def assert_all_are_songs(client: Client, ended: Sequence[Song], seeds: Sequence[int]) -> None:
    """Check that every upload became one song that a clip finds."""
    assert [one.status for one in ended] == ["ready"] * len(seeds)
    listed = [one.id async for one in client.songs(status="ready")]
    assert sorted(listed).count(ended[0].id) == 1
    assert {one.id for one in ended} <= set(listed)
    known = {one.id for one in ended}
    for seed in seeds:
        assert (await named(client, noisy_clip(seed, begin_s=4, duration_s=8, snr_db=15))).song.id in known


@pytest.fixture
def own_process(tmp_path: Path) -> Iterator[OneProcess]:
    process = OneProcess(tmp_path / "own")
    process.start()
    yield process
    process.kill()


async def test_one_process_killed_while_importing_loses_nothing(own_process: OneProcess, tmp_path: Path) -> None:
    seeds = range(200, 206)
    paths = [write(tmp_path / f"{seed}.ogg", song(seed)) for seed in seeds]
    async with await new_client(own_process.url) as client:
        ended = await import_through(client, paths, own_process)

        await assert_all_are_songs(client, ended, seeds)
        assert len([one async for one in client.songs()]) == len(paths)


@pytest.fixture
async def listener(durable_stack: Stack) -> AsyncIterator[Client]:
    async with await new_client(durable_stack.url) as client:
        yield client


SERVERS = ("rabbitmq", "s3", "dynamodb")
SERVICES = ("ingest", "fingerprint", "matcher-0-of-2-a", "matcher-1-of-2-a", "gateway", "streaming", "auth")


@pytest.mark.parametrize(("number", "name"), list(enumerate(SERVERS + SERVICES)))
async def test_stack_loses_nothing_when_a_part_is_killed(
    durable_stack: Stack, listener: Client, tmp_path: Path, number: int, name: str
) -> None:
    victim = durable_stack.servers[name] if name in SERVERS else durable_stack.services[name]
    seeds = range(300 + 10 * number, 303 + 10 * number)
    paths = [write(tmp_path / f"{seed}.ogg", song(seed)) for seed in seeds]

    ended = await import_through(listener, paths, victim)

    await assert_all_are_songs(listener, ended, seeds)
