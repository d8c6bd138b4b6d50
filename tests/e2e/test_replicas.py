"""Do listeners get every answer, and only right ones, while replicas and shards come and go?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bench.listeners import Listeners, unexpected
from bench.stack import kill_replicas
from deploy.local.process import Process
from deploy.local.stack import Stack

pytestmark = pytest.mark.timeout(300)

RATE_HZ = 3.0


@pytest.fixture(scope="module")
async def listeners(durable_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Listeners]:
    async with Listeners(durable_stack.url, songs=6, strangers=2) as listeners:
        await listeners.upload(tmp_path_factory.mktemp("songs"))
        yield listeners


def replicas(stack: Stack, begin: str) -> list[Process]:
    return [process for name, process in stack.services.items() if name.startswith(begin)]


async def each(processes: list[Process], act: Callable[[Process], None]) -> None:
    await asyncio.gather(*(asyncio.to_thread(act, process) for process in processes))


async def disturbed(listeners: Listeners, disturb: Callable[[], Awaitable[object]]) -> list[str]:
    """What listeners were told, besides right answers, while something happened."""

    async def go() -> object:
        return await disturb()

    report = await listeners.ask_while(asyncio.create_task(go()), rate_hz=RATE_HZ)
    assert len(report.asked) > 5
    return unexpected(report.asked)


async def test_no_answer_is_lost_or_wrong_while_any_replica_is_killed(
    durable_stack: Stack, listeners: Listeners
) -> None:
    async def kill() -> None:
        await kill_replicas(durable_stack, every_s=3, seconds=8, seed=1)

    assert await disturbed(listeners, kill) == []
    assert all(process.is_alive for process in durable_stack.services.values())


async def test_no_answer_is_lost_or_wrong_while_the_number_of_shards_changes(
    durable_stack: Stack, listeners: Listeners
) -> None:
    old = replicas(durable_stack, "matcher")

    async def change() -> None:
        new = list(durable_stack.add_generation(3).values())
        await each(new, Process.start)
        await each(old, Process.stop)
        await asyncio.sleep(2)
        await each(old, Process.start)
        await asyncio.to_thread(durable_stack.remove_generation, 3)

    assert await disturbed(listeners, change) == []


async def test_miss_is_never_certain_while_a_whole_shard_is_away(durable_stack: Stack, listeners: Listeners) -> None:
    shard = replicas(durable_stack, "matcher-0")
    await each(shard, Process.kill)

    asked = await asyncio.gather(*(listeners.ask(question, deadline_ms=3000) for question in listeners.questions))

    assert {one.verdict for one in asked} <= {"right", "inconclusive"}
    assert {one.verdict for one, question in zip(asked, listeners.questions, strict=True) if not question.song_id} == {
        "inconclusive"
    }
    await each(shard, Process.start)
    assert {(await listeners.ask(question)).verdict for question in listeners.questions} == {"right"}
