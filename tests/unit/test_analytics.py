"""Is everything counted that happens, and nothing listened to that is private?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.hosting import build
from shared.events import Event, QueryCompleted, Question, SongDuplicateDetected, UserRegistered
from shared.messaging.bus import EventBus
from shared.runtime.settings import Settings


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[EventBus]:
    """A bus with the analytics service on it."""
    runtime, [analytics] = build(Settings(data_dir=tmp_path), ["analytics"])
    await runtime.bus.connect()
    for subscription in analytics.subscriptions:
        await runtime.bus.subscribe(subscription)
    yield runtime.bus
    await runtime.bus.close()


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, labels) or 0.0


async def heard(bus: EventBus, event: Event) -> None:
    before = counted("tunescout_events_heard_total", event=event.name)
    await bus.publish(event)
    async with asyncio.timeout(30):
        while counted("tunescout_events_heard_total", event=event.name) == before:  # noqa: ASYNC110 - metrics do not call
            await asyncio.sleep(0.01)


async def test_an_answer_is_counted_by_its_outcome_and_timed(bus: EventBus) -> None:
    answers = counted("tunescout_queries_total", outcome="no_match", reason="silence")
    seconds = counted("tunescout_query_seconds_sum", outcome="no_match")

    answer = QueryCompleted(query_id="q", outcome="no_match", reason="silence", coverage=1.0, took_ms=250)
    await heard(bus, answer)

    assert counted("tunescout_queries_total", outcome="no_match", reason="silence") == answers + 1
    assert counted("tunescout_query_seconds_sum", outcome="no_match") == pytest.approx(seconds + 0.25)


async def test_an_upload_is_counted_by_what_became_of_it(bus: EventBus) -> None:
    duplicates = counted("tunescout_uploads_total", state="duplicate")

    refused = SongDuplicateDetected(
        song_id="b", revision=4, duplicate_of="a", evidence="sound", relation="same_recording", overlap=1, offset_ms=0
    )
    await heard(bus, refused)
    await heard(bus, UserRegistered(user_id="u"))

    assert counted("tunescout_uploads_total", state="duplicate") == duplicates + 1


def test_what_microphones_heard_is_not_listened_to(tmp_path: Path) -> None:
    _, [analytics] = build(Settings(data_dir=tmp_path), ["analytics"])

    assert not [one for one in analytics.subscriptions if issubclass(one.event, Question)]
