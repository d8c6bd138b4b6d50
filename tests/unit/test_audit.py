"""Is it told who did what, whether or not a broker is there to hear it?"""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from shared.events import AuditRecorded
from shared.messaging.bus import Subscription
from shared.messaging.memory import MemoryBus
from shared.runtime.audit import Audit


async def test_an_action_is_said_to_everybody_and_in_the_log() -> None:
    bus = MemoryBus(None)
    heard: asyncio.Queue[AuditRecorded] = asyncio.Queue()
    await bus.connect()
    await bus.subscribe(Subscription(AuditRecorded, heard.put, queue="test.audit-recorded"))

    fields = {"action": "song.unshared", "actor": "01ADA", "subject": "01SONG", "address": "192.0.2.7", "detail": "all"}
    with capture_logs() as lines:
        await Audit(bus).record("song.unshared", actor="01ADA", subject="01SONG", address="192.0.2.7", detail="all")

    async with asyncio.timeout(30):
        assert (await heard.get()).model_dump(exclude={"id", "occurred_at"}) == fields | {"outcome": "allowed"}
    assert lines == [{"event": "audit.recorded", "log_level": "info", "outcome": "allowed", **fields}]
    await bus.close()


async def test_a_broker_that_is_away_costs_a_warning_and_not_the_line() -> None:
    with capture_logs() as lines:
        await Audit(MemoryBus(None)).record("login.refused", address="192.0.2.7", outcome="refused")

    assert [line["event"] for line in lines] == ["audit.recorded", "event.dropped"]
