"""How is work on a song asked for once, though many want it at the same time?"""

from __future__ import annotations

import time

from shared.errors import Unavailable
from shared.events import SongEvent
from shared.messaging.bus import EventBus
from shared.storage.tables import Absent, ConditionFailed, Item, Key, Table


class Requests:
    """Work that was asked for a while ago and is not done yet, in the table `LISTENING`."""

    def __init__(self, table: Table, bus: EventBus) -> None:
        self._table = table
        self._bus = bus

    async def ask(self, event: SongEvent, *, again_after_s: int) -> None:
        """Publish a request, unless the same was published less than so many seconds ago and is not done.

        Raises
        ------
        Unavailable
            It could not be asked for.
        """
        key, event_id = _key(event), str(event.id)
        item: Item = {
            "pk": key.pk,
            "sk": key.sk,
            "event_id": event_id,
            "expires_at": int(time.time()) + again_after_s,
        }
        try:
            await self._table.put(item, condition=Absent())
        except ConditionFailed:
            # Where only the answer to this very write was lost, nobody else will ask.
            there = await self._table.get(key)
            if there is None or there.get("event_id") != event_id:
                return
        try:
            await self._bus.publish(event)
        except Unavailable:
            await self.done(event)
            raise

    async def done(self, event: SongEvent) -> None:
        """Let the same be asked for again."""
        await self._table.delete(_key(event))


def _key(event: SongEvent) -> Key:
    return Key(f"song#{event.song_id}", event.name)
