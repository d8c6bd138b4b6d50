"""How does one question collect the answers of many?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from shared.events import Reply
from shared.messaging.bus import EventBus


class ReplyInbox:
    """One reply queue per process; replies find their question by its `query_id`.

    The request-reply of the broker client is serial (one lock per broker, and waiting for the lock is outside the
    time-out), so a question to many shards needs an inbox of its own.
    """

    def __init__(self, bus: EventBus, owner: str) -> None:
        self._bus = bus
        self._owner = owner
        self._open: dict[str, asyncio.Queue[Reply]] = {}
        self.address = ""

    async def open(self) -> None:
        """Open the inbox. Call once, after the bus is connected."""
        self.address = await self._bus.open_inbox(self._owner, self._receive)

    def _receive(self, reply: Reply) -> None:
        waiting = self._open.get(reply.query_id)
        if waiting is not None:  # otherwise the reply is late, and nobody is waiting any more
            waiting.put_nowait(reply)

    async def collect(
        self,
        query_id: str,
        send: Callable[[], Awaitable[None]],
        is_complete: Callable[[list[Reply]], bool],
        deadline: datetime,
    ) -> list[Reply]:
        """Send a question and gather replies until they are complete or the deadline has passed.

        Returns
        -------
        list of Reply
            What arrived in time; the caller reads from it how much is covered.
        """
        replies = self._open[query_id] = asyncio.Queue()
        gathered: list[Reply] = []
        try:
            async with asyncio.timeout((deadline - datetime.now(UTC)).total_seconds()):
                await send()
                while not is_complete(gathered):
                    gathered.append(await replies.get())
        except TimeoutError:
            pass  # a partial result, and the caller can tell
        finally:
            del self._open[query_id]
        return gathered
