"""How are the many small blobs of a package moved, without one waiting for the other?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

AT_ONCE = 8


async def each(names: Iterable[str], move: Callable[[str], Awaitable[None]]) -> None:
    """Move every blob, some at the same time; the first error ends all of them."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with slots:
            await move(name)

    try:
        async with asyncio.TaskGroup() as tasks:
            for name in names:
                tasks.create_task(one(name))
    except* Exception as errors:
        raise errors.exceptions[0] from None
