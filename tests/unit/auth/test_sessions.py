"""Does a session go on for its owner, and end for a thief?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.unit.auth.conftest import Served, bearer, log_in, newcomer, serve


async def test_a_refresh_token_is_exchanged_for_the_next_one(client: httpx.AsyncClient) -> None:
    tokens = await newcomer(client, "ada")
    for _ in range(3):
        following = (await refresh(client, tokens)).json()
        assert following["refresh_token"] != tokens["refresh_token"]
        tokens = following
    assert (await client.get("/read", headers=bearer(tokens))).status_code == 200


async def test_a_token_that_is_used_twice_at_once_ends_the_session(client: httpx.AsyncClient) -> None:
    tokens = await newcomer(client, "ada")

    answers = await asyncio.gather(*[refresh(client, tokens) for _ in range(3)])

    let = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(let) <= 1
    for following in let:
        assert (await refresh(client, following)).status_code == 401


async def test_a_lost_answer_is_given_again_where_that_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNESCOUT_AUTH_REFRESH_GRACE_S", "60")
    async with serve(tmp_path).client() as client:
        tokens = await newcomer(client, "ada")

        answers = await asyncio.gather(*[refresh(client, tokens) for _ in range(3)])

        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        assert (await refresh(client, answers[0].json())).status_code == 200
        assert (await refresh(client, tokens)).status_code == 401  # its successor was used


async def test_a_token_that_comes_again_after_its_successor_was_used_ends_the_session(
    client: httpx.AsyncClient,
) -> None:
    stolen = await newcomer(client, "ada")
    second = (await refresh(client, stolen)).json()
    third = (await refresh(client, second)).json()

    assert (await refresh(client, stolen)).status_code == 401
    assert (await refresh(client, third)).status_code == 401


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "..", "ü.ü.ü", "a" * 128])
async def test_what_is_no_refresh_token_is_refused(client: httpx.AsyncClient, token: str) -> None:
    assert (await refresh(client, {"refresh_token": token})).status_code == 401
    assert (await client.post("/v1/auth/logout", json={"refresh_token": token})).status_code == 204


async def test_sessions_are_listed_and_ended_by_their_owner_alone(served: Served, client: httpx.AsyncClient) -> None:
    phone, laptop = await newcomer(client, "ada"), await log_in(client, "ada")
    other = await newcomer(client, "eve")

    listed = (await client.get("/v1/auth/sessions", headers=bearer(laptop))).json()["sessions"]
    assert [one["is_this"] for one in listed] == [True, False]
    assert listed[0]["agent"].startswith("python-httpx")

    path = f"/v1/auth/sessions/{listed[1]['session_id']}"
    await client.delete(path, headers=bearer(other))
    phone = (await refresh(client, phone)).json()
    await client.delete(path, headers=bearer(laptop))
    assert (await refresh(client, phone)).status_code == 401
    assert (await refresh(client, laptop)).status_code == 200


async def test_logout_ends_one_session_and_logout_everywhere_all(client: httpx.AsyncClient) -> None:
    first, second, third = await newcomer(client, "ada"), await log_in(client, "ada"), await log_in(client, "ada")

    await client.post("/v1/auth/logout", json={"refresh_token": first["refresh_token"]})
    assert [(await refresh(client, one)).status_code for one in (first, second)] == [401, 200]

    await client.post("/v1/auth/logout-everywhere", headers=bearer(third))
    assert [(await refresh(client, one)).status_code for one in (second, third)] == [401, 401]


async def refresh(client: httpx.AsyncClient, tokens: dict[str, Any]) -> httpx.Response:
    return await client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
