"""Are questions refused at once when there are more than can be answered in time?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.gateway.admission import FEW, Admission
from services.gateway.routes import routes
from services.gateway.service import QueryService
from services.gateway.settings import GatewaySettings
from services.gateway.store import QUERIES, QueryStore
from shared.catalogue import SONGS, Library
from shared.errors import Unavailable
from shared.events import QuerySubmitted, QuestionRefused
from shared.messaging.bus import Subscription
from shared.messaging.inbox import ReplyInbox
from shared.messaging.memory import MemoryBus
from shared.runtime.identity import Identity, signed_in
from shared.runtime.limits import LIMITS, RateLimits
from shared.runtime.problems import install_problem_handlers
from shared.storage.files import FolderStore
from shared.storage.sqlite import SqliteTable


def test_no_more_than_the_bound_are_let_in_and_a_place_that_is_left_is_free_again() -> None:
    admission = Admission(3)
    with ExitStack() as places:
        for _ in range(3):
            places.enter_context(admission.place(10))
        with pytest.raises(Unavailable) as refused:
            places.enter_context(admission.place(10))
        assert refused.value.retry_after_s >= 1
    with admission.place(10):
        assert admission.under_way == 1


def test_who_could_not_be_answered_before_the_deadline_is_refused_and_the_patient_let_in() -> None:
    admission = Admission(100)
    for _ in range(100):
        admission.learn(took_s=4.0, among=20)  # five a second

    with ExitStack() as places:
        for _ in range(19):
            places.enter_context(admission.place(10))
        with pytest.raises(Unavailable, match="19 questions"):
            places.enter_context(admission.place(3))
        places.enter_context(admission.place(5))


def test_few_questions_are_always_let_in_whatever_was_learnt() -> None:
    admission = Admission(100)
    for _ in range(100):
        admission.learn(took_s=30.0, among=1)

    with ExitStack() as places:
        for _ in range(FEW):
            places.enter_context(admission.place(0.1))


@dataclass(frozen=True)
class Gateway:
    client: httpx.AsyncClient
    asked: asyncio.Semaphore
    released: asyncio.Event


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with two places, whose questions are answered when they are released."""
    settings = GatewaySettings(max_queries=2, questions_per_minute=5)
    bus, asked, released = MemoryBus(None), asyncio.Semaphore(0), asyncio.Event()
    await bus.connect()

    async def refuse(event: QuerySubmitted) -> None:
        asked.release()
        await released.wait()
        await bus.reply(event.reply_to, QuestionRefused(query_id=event.query_id, code="silence", reason="silent"))

    await bus.subscribe(Subscription(QuerySubmitted, refuse, queue="test.query-submitted", ttl_s=30))
    inbox = ReplyInbox(bus, "gateway")
    await inbox.open()
    tables = [SqliteTable(tmp_path / "tables.sqlite", spec) for spec in (SONGS, QUERIES, LIMITS)]
    blobs = FolderStore(tmp_path, base_url="http://test", secret=bytes(16))
    service = QueryService(bus, inbox, blobs, Library(tables[0]), QueryStore(tables[1], life_s=60), settings)
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(routes(service, RateLimits(tables[2]), settings))
    app.dependency_overrides[signed_in] = lambda: Identity("me", "me", "listener")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield Gateway(client, asked, released)
    await bus.close()
    for table in tables:
        await table.close()


async def test_question_too_many_is_answered_503_with_the_time_to_come_back(gateway: Gateway) -> None:
    client = gateway.client
    waiting = [asyncio.create_task(client.post("/v1/queries", content=b"clip")) for _ in range(2)]
    for _ in waiting:
        await gateway.asked.acquire()

    refused = await client.post("/v1/queries", content=b"clip")
    gateway.released.set()

    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) >= 1
    assert [(await one).status_code for one in waiting] == [200, 200]
    assert (await client.post("/v1/queries", content=b"clip")).json()["reason"] == "silence"


async def test_clips_that_one_user_sends_slowly_leave_places_for_others(gateway: Gateway) -> None:
    gateway.released.set()
    begun, ended = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        begun.set()
        await ended.wait()
        yield b"clip"

    slow = asyncio.create_task(gateway.client.post("/v1/queries", content=slowly()))
    await begun.wait()
    refused = await gateway.client.post("/v1/queries", content=b"clip")
    ended.set()

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_clips")
    assert int(refused.headers["retry-after"]) >= 1
    assert (await slow).status_code == 200
    assert (await gateway.client.post("/v1/queries", content=b"clip")).status_code == 200


async def test_questions_of_one_user_are_limited(gateway: Gateway) -> None:
    gateway.released.set()

    answers = [await gateway.client.post("/v1/queries", content=b"clip") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
