"""How does no event get lost between a write and its publication? It rides on the item that caused it.

An item with events to publish carries them in `outbox`, and the sparse index over `pending`, `pending_at` lists only
such items. Events are published right after the write, and again by the relay while they are still pending. Whoever
hears an event twice recognises it by its id and revision.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from shared.errors import Unavailable
from shared.events import EVENTS, Event
from shared.messaging.bus import EventBus
from shared.storage.tables import ConditionFailed, Equals, Index, Item, Key, Table, Value

log = structlog.get_logger()

RELAY_PAUSE_S = 2.0
RELAY_AGE_S = 5.0
PAGE = 100
PENDING = "pending"


def with_pending(item: Item, events: Sequence[Event]) -> Item:
    """Return the item with these events to publish."""
    if not events:
        return item
    letters: list[Value] = [{"name": event.name, "body": event.model_dump_json()} for event in events]
    return {**item, "pending": PENDING, "pending_at": datetime.now(UTC).isoformat(), "outbox": letters}


def pending_events(item: Item) -> list[Event]:
    """Return the events of an item that are still to be published, in order."""
    letters = item.get("outbox")
    if not isinstance(letters, list):
        return []
    return [_event(letter) for letter in letters]


def _event(letter: Value) -> Event:
    assert isinstance(letter, Mapping)
    return EVENTS[str(letter["name"])].model_validate_json(str(letter["body"]))


class Outbox:
    """Publishes the pending events of one table whose items carry a `revision`."""

    def __init__(self, table: Table, index: Index, bus: EventBus) -> None:
        self._table = table
        self._index = index
        self._bus = bus

    async def publish(self, item: Item) -> None:
        """Publish what an item that was just written carries; what fails is left to the relay."""
        try:
            await self._flush(item)
        except Unavailable as error:
            log.warning("outbox.deferred", reason=error.reason)

    async def _flush(self, item: Item) -> None:
        for event in pending_events(item):
            await self._bus.publish(event)
        bare = {name: value for name, value in item.items() if name not in ("pending", "pending_at", "outbox")}
        revision = item["revision"]
        assert isinstance(revision, int)
        # Where the condition fails, the item has changed since, and whoever changed it carries the events on.
        with contextlib.suppress(ConditionFailed):
            await self._table.put(bare, condition=Equals("revision", revision))

    async def waiting(self) -> list[Item]:
        """Return index entries of items whose events are not published yet, oldest first, at most a page."""
        return (await self._table.query_index(self._index, PENDING, limit=PAGE)).items

    async def relay(self) -> None:
        """Publish for ever what was left behind by a crash or a broker that was away."""
        while True:
            await asyncio.sleep(RELAY_PAUSE_S)
            try:
                await self._relay_once()
            except Unavailable as error:
                log.warning("outbox.deferred", reason=error.reason)

    async def _relay_once(self) -> None:
        before = (datetime.now(UTC) - timedelta(seconds=RELAY_AGE_S)).isoformat()
        page = await self._table.query_index(self._index, PENDING, sk_below=before, limit=PAGE)
        for entry in page.items:
            item = await self._table.get(Key(str(entry["pk"]), str(entry["sk"])))
            if item is not None and pending_events(item):
                await self._flush(item)
                log.info("outbox.relayed", key=str(entry["pk"]), events=len(pending_events(item)))
