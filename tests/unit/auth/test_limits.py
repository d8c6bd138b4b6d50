"""Is too much refused, whichever replica is asked, and nobody else with it?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from shared.errors import Rejected, TooMany
from shared.runtime.limits import LIMITS, RateLimits
from shared.storage.sqlite import SqliteTable
from tests.unit.auth.conftest import Served, log_in, serve, sign_up


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[list[RateLimits]]:
    """Two processes with one table."""
    tables = [SqliteTable(tmp_path / "tables.sqlite", LIMITS) for _ in range(2)]
    yield [RateLimits(table) for table in tables]
    for table in tables:
        await table.close()


async def test_replicas_together_grant_what_one_would(replicas: list[RateLimits]) -> None:
    asked = [replicas[number % 2].take("ask", "ada", per_minute=10) for number in range(40)]
    answers = await asyncio.gather(*asked, return_exceptions=True)

    refused = [answer for answer in answers if answer is not None]
    assert len(refused) == 30
    assert all(isinstance(answer, TooMany) and 0 < answer.retry_after_s <= 6 for answer in refused)
    await replicas[0].take("ask", "bob", per_minute=10)
    await replicas[1].take("other", "ada", per_minute=10)


async def test_what_is_granted_again_comes_at_an_even_pace(replicas: list[RateLimits]) -> None:
    asked = [replicas[0].take("ask", "ada", per_minute=120) for _ in range(140)]
    refused = [answer for answer in await asyncio.gather(*asked, return_exceptions=True) if isinstance(answer, TooMany)]
    await asyncio.sleep(refused[-1].retry_after_s + 0.01)
    await replicas[1].take("ask", "ada", per_minute=120)
    with pytest.raises(TooMany):
        await replicas[1].take("ask", "ada", per_minute=120)


async def test_only_what_was_rejected_is_counted(replicas: list[RateLimits]) -> None:
    for number in range(30):
        with pytest.raises(TooMany if number >= 12 else Rejected) as refused:
            async with replicas[number % 2].take_if_rejected("ask", "ada", per_minute=12):
                raise Rejected("wrong", "wrong")
        assert isinstance(refused.value, TooMany) == (number >= 12)
        if number < 3:
            async with replicas[0].take_if_rejected("ask", "ada", per_minute=12):
                pass


async def test_wrong_logins_are_slowed_down_where_they_come_from_and_nowhere_else(
    served: Served, client: httpx.AsyncClient
) -> None:
    await sign_up(client, "ada")
    wrong = {"username": "ada", "password": "wrong"}
    answers = [await client.post("/v1/auth/login", json=wrong) for _ in range(20)]

    statuses = [answer.status_code for answer in answers]
    assert statuses == [401] * 10 + [429] * 10
    assert answers[-1].json()["code"] == "too_many_requests"
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 6
    async with served.client("192.0.2.7") as elsewhere:
        await log_in(elsewhere, "ada")


async def test_addresses_of_one_customer_of_ipv6_are_one(served: Served) -> None:
    for number in range(10):
        async with served.client(f"2001:db8::{number}") as one:
            assert (await one.post("/v1/auth/token", json={"api_key": "wrong"})).status_code == 401
    async with served.client("2001:db8::ffff") as same, served.client("2001:db8:0:1::1") as other:
        assert (await same.post("/v1/auth/token", json={"api_key": "wrong"})).status_code == 429
        assert (await other.post("/v1/auth/token", json={"api_key": "wrong"})).status_code == 401


async def test_sign_ups_of_one_address_are_limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNESCOUT_AUTH_SIGNUPS_PER_MINUTE", "2")
    served = serve(tmp_path)
    async with served.client() as client, served.client("192.0.2.7") as elsewhere:
        assert [(await sign_up(client, f"user-{number}")).status_code for number in range(3)] == [201, 201, 429]
        assert (await sign_up(elsewhere, "ada")).status_code == 201
