"""How does a client follow a render until it is ready?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi.sse import ServerSentEvent
from pydantic import BaseModel

from services.streaming.renderer import Renderer
from services.streaming.renders import Render
from shared.errors import Rejected

# Any replica of this service may be making it, so progress is read from the table, which all of them share.
POLL_PAUSE_S = 0.5
HEARTBEAT_S = 15.0
LIFE_S = 3600.0


async def follow(
    renderer: Renderer, render: Render, body: Callable[[Render], Awaitable[BaseModel]], *, after: int
) -> AsyncIterator[ServerSentEvent]:
    """Yield a render whenever it has changed, until nothing more happens to it.

    Parameters
    ----------
    body : callable
        Returns what is told of it.
    after : int
        The revision that the client has seen: the `Last-Event-ID` of a stream that broke off, or 0.
    """
    spoken_at = started_at = time.monotonic()
    seen = after
    while time.monotonic() - started_at < LIFE_S:
        if render.revision > seen or render.status.is_final:
            yield ServerSentEvent(data=await body(render), event="render", id=str(render.revision))
            seen, spoken_at = render.revision, time.monotonic()
        if render.status.is_final:
            return
        if time.monotonic() - spoken_at > HEARTBEAT_S:
            yield ServerSentEvent(comment="waiting")
            spoken_at = time.monotonic()
        await asyncio.sleep(POLL_PAUSE_S)
        try:
            render = await renderer.get(render.song_id, render.render_id)
        except Rejected:
            return  # removed meanwhile
