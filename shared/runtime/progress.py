"""How does a client follow something until it has ended?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from fastapi.sse import ServerSentEvent
from pydantic import BaseModel

from shared.errors import Rejected, Unavailable

# Any replica of a service may be at work on it, so progress is read from the table, which all of them share.
POLL_PAUSE_S = 0.5
LIFE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Step:
    """What is told at one moment; later steps have higher numbers."""

    number: int
    body: BaseModel
    is_last: bool


async def follow(
    read: Callable[[], Awaitable[Step]], *, name: str, after: int, pause_s: float = POLL_PAUSE_S
) -> AsyncIterator[ServerSentEvent]:
    """Yield what is followed whenever it has changed, until nothing more happens to it, or it is gone.

    Parameters
    ----------
    read : callable
        Returns the step that is reached, or raises `Rejected` where what is followed is gone.
    name : str
        Name of the events.
    after : int
        The step that the client has seen: the `Last-Event-ID` of a stream that broke off, or 0.
    pause_s : float
        Time between two looks, in seconds.
    """
    seen, ends_at = after, time.monotonic() + LIFE_S
    while time.monotonic() < ends_at:
        try:
            step = await read()
        except Rejected:
            return
        except Unavailable:  # what is followed goes on, and so does the stream when the table is there again
            await asyncio.sleep(pause_s)
            continue
        if step.number > seen or step.is_last:
            yield ServerSentEvent(data=step.body, event=name, id=str(step.number))
            seen = step.number
        if step.is_last:
            return
        await asyncio.sleep(pause_s)
