"""Is too much refused, and nobody else with it?"""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.unit.auth.conftest import Served, log_in, serve, sign_up


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
