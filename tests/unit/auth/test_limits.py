"""Is too much refused, and nobody else with it?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from services.auth import passwords
from tests.unit.auth.conftest import PASSWORD, Served, log_in, serve, sign_up


async def test_wrong_logins_are_slowed_down_where_they_come_from_and_nowhere_else(
    served: Served, client: httpx.AsyncClient
) -> None:
    await sign_up(client, "ada")
    wrong = {"username": "ada", "password": "wrong"}
    answers = [await client.post("/v1/auth/login", json=wrong) for _ in range(20)]

    statuses = [answer.status_code for answer in answers]
    assert statuses[:10] == [401] * 10
    assert statuses.count(429) >= 8  # on a slow machine one more is granted meanwhile
    refused = answers[statuses.index(429)]
    assert refused.json()["code"] == "too_many_requests"
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["Retry-After"]) <= 6
    async with served.client("192.0.2.7") as elsewhere:
        await log_in(elsewhere, "ada")


async def test_only_a_proxy_that_is_trusted_says_where_a_login_comes_from(served: Served) -> None:
    wrong = {"username": "ada", "password": "wrong"}
    async with served.client("127.0.0.1") as proxy, served.client("192.0.2.7") as liar:
        await sign_up(proxy, "ada")
        behind = [await proxy.post("/v1/auth/login", json=wrong, headers=by(f"198.51.100.{n % 2}")) for n in range(32)]
        lies = [await liar.post("/v1/auth/login", json=wrong, headers=by(f"203.0.113.{n}")) for n in range(20)]

        assert [answer.status_code for answer in behind[:20]] == [401] * 20
        assert 429 in [answer.status_code for answer in behind[20:]]
        assert [answer.status_code for answer in lies[:10]] == [401] * 10
        assert 429 in [answer.status_code for answer in lies[10:]]
        right = wrong | {"password": PASSWORD}
        assert (await proxy.post("/v1/auth/login", json=right, headers=by("203.0.113.0"))).status_code == 200


def by(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def test_addresses_of_one_customer_of_ipv6_are_one(served: Served) -> None:
    for number in range(10):
        async with served.client(f"2001:db8::{number}") as one:
            assert (await one.post("/v1/auth/token", json={"api_key": "wrong"})).status_code == 401
    async with served.client("2001:db8::ffff") as same, served.client("2001:db8:0:1::1") as other:
        assert (await same.post("/v1/auth/token", json={"api_key": "wrong"})).status_code == 429
        assert (await other.post("/v1/auth/token", json={"api_key": "wrong"})).status_code == 401


async def test_more_passwords_than_can_be_looked_at_in_time_are_refused_at_once(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MOST_WAITING", 4)
    wrong = {"username": "ada", "password": "wrong"}

    async def guess(number: int) -> httpx.Response:
        async with served.client(f"192.0.2.{number}") as client:
            return await client.post("/v1/auth/login", json=wrong)

    await guess(0)
    answers = await asyncio.gather(*[guess(number) for number in range(1, 13)])

    assert {answer.status_code for answer in answers} == {401, 503}
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 503)
    assert (await guess(13)).status_code == 401


async def test_sign_ups_of_one_address_are_limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNESCOUT_AUTH_SIGNUPS_PER_MINUTE", "2")
    served = serve(tmp_path)
    async with served.client() as client, served.client("192.0.2.7") as elsewhere:
        assert [(await sign_up(client, f"user-{number}")).status_code for number in range(3)] == [201, 201, 429]
        assert (await sign_up(elsewhere, "ada")).status_code == 201
