"""How does a client follow a song through the pipeline?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi.sse import ServerSentEvent

from services.ingest.schemas import SongBody
from services.ingest.service import IngestService
from shared.errors import Rejected, Unavailable
from shared.runtime.identity import Identity

# Any replica of this service may change the song, so progress is read from the table, which all of them share.
POLL_PAUSE_S = 0.25
HEARTBEAT_S = 15.0
LIFE_S = 1800.0


async def follow(
    service: IngestService, asking: Identity, song_id: str, *, after: int
) -> AsyncIterator[ServerSentEvent]:
    """Yield the song at each step after the given one, until its fate is known or it is not seen any more.

    Parameters
    ----------
    after : int
        How many steps the client has seen: the `Last-Event-ID` of a stream that broke off, or 0.
    """
    spoken_at = started_at = time.monotonic()
    seen: int | None = None
    while time.monotonic() - started_at < LIFE_S:
        try:
            song = await service.get(asking, song_id)
            known = await service.known_songs(asking, [song])
        except Rejected:
            return  # deleted, or no longer for them
        except Unavailable:  # the song moves on, and so does the stream when the table is there again
            await asyncio.sleep(POLL_PAUSE_S)
            continue
        step = len(song.history)
        if step != seen and (step > after or seen is not None or song.status.is_final):
            yield ServerSentEvent(data=SongBody.of(song, known), event="song", id=str(step))
            spoken_at = time.monotonic()
        if song.status.is_final:
            return
        seen = step
        if time.monotonic() - spoken_at > HEARTBEAT_S:
            yield ServerSentEvent(comment="waiting")
            spoken_at = time.monotonic()
        await asyncio.sleep(POLL_PAUSE_S)
