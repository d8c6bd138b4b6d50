"""Who gets an account, who keeps it, and what is left when it is gone?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import bcrypt
import httpx
import pytest

from shared.events import UserDeleted
from shared.messaging.bus import Subscription
from shared.messaging.memory import MemoryBus
from shared.storage.tables import Key, Write
from tests.unit.auth.conftest import PASSWORD, Served, bearer, log_in, newcomer, serve, sign_up


async def test_first_account_runs_the_instance_and_the_next_has_the_role_of_the_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUNESCOUT_AUTH_SIGNUP_ROLE", "listener")
    async with serve(tmp_path).client() as client:
        assert (await sign_up(client, "first")).json()["role"] == "admin"
        assert (await sign_up(client, "second")).json()["role"] == "listener"

        listener = bearer(await log_in(client, "second"))
        assert (await client.get("/read", headers=listener)).status_code == 200
        assert (await client.post("/upload", headers=listener)).json()["code"] == "role_missing"


async def test_only_one_of_many_who_come_first_runs_the_instance(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*[sign_up(client, f"user-{number}") for number in range(4)])

    assert sorted(answer.json()["role"] for answer in answers) == ["admin"] + ["contributor"] * 3


async def test_an_invite_makes_one_account_and_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNESCOUT_AUTH_SIGNUP", "invite")
    async with serve(tmp_path).client() as client:
        admin = bearer(await newcomer(client, "admin"))
        code = (await client.post("/v1/auth/invites", json={"role": "listener"}, headers=admin)).json()["code"]

        assert (await sign_up(client, "nobody")).json()["code"] == "invite_needed"
        assert (await sign_up(client, "nobody", invite="made up")).json()["code"] == "invite_invalid"
        both = await asyncio.gather(sign_up(client, "ada", invite=code), sign_up(client, "bob", invite=code))
        assert sorted(answer.status_code for answer in both) in ([201, 403], [201, 409])
        assert (await sign_up(client, "eve", invite=code)).status_code == 403
        assert (await client.get("/v1/auth/invites", headers=admin)).json() == {"invites": []}

        invited = next(name for name, answer in zip(("ada", "bob"), both, strict=True) if answer.status_code == 201)
        headers = bearer(await log_in(client, invited))
        assert (await client.post("/v1/auth/invites", json={}, headers=headers)).status_code == 403


async def test_an_expired_or_withdrawn_invite_lets_nobody_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNESCOUT_AUTH_INVITE_S", "1")
    async with serve(tmp_path).client() as client:
        admin = bearer(await newcomer(client, "admin"))
        first = (await client.post("/v1/auth/invites", json={}, headers=admin)).json()
        assert (await client.delete(f"/v1/auth/invites/{first['invite_id']}", headers=admin)).status_code == 204
        assert (await sign_up(client, "ada", invite=first["code"])).json()["code"] == "invite_invalid"
        second = (await client.post("/v1/auth/invites", json={}, headers=admin)).json()
        await asyncio.sleep(2.1)
        assert (await sign_up(client, "ada", invite=second["code"])).json()["code"] == "invite_invalid"


async def test_closed_means_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNESCOUT_AUTH_SIGNUP", "closed")
    async with serve(tmp_path).client() as client:
        first = (await client.get("/v1/auth/signup")).json()
        admin = bearer(await newcomer(client, "admin"))
        invite = (await client.post("/v1/auth/invites", json={}, headers=admin)).json()
        assert (await sign_up(client, "ada", invite=invite["code"])).json()["code"] == "signup_closed"
        assert (first, (await client.get("/v1/auth/signup")).json()) == ({"signup": "open"}, {"signup": "closed"})


async def test_changing_the_password_ends_all_other_sessions(client: httpx.AsyncClient) -> None:
    other, here = await newcomer(client, "ada"), await log_in(client, "ada")
    change = {"old_password": PASSWORD, "new_password": "another pass phrase"}

    wrong = await client.post("/v1/auth/password", json=change | {"old_password": "x"}, headers=bearer(here))
    right = await client.post("/v1/auth/password", json=change, headers=bearer(here))

    assert (wrong.status_code, right.status_code) == (403, 204)
    assert (await refresh(client, other)).status_code == 401
    assert (await refresh(client, here)).status_code == 200
    assert (await client.post("/v1/auth/login", json={"username": "ada", "password": PASSWORD})).status_code == 401
    await log_in(client, "ada", "another pass phrase")


async def test_a_deleted_account_leaves_nothing_and_its_name_is_free(tmp_path: Path) -> None:
    bus = MemoryBus(None)
    heard: asyncio.Queue[UserDeleted] = asyncio.Queue()
    await bus.connect()
    await bus.subscribe(Subscription(UserDeleted, heard.put, queue="test.user-deleted"))
    served = serve(tmp_path, bus)
    async with served.client() as client, asyncio.timeout(20):
        admin, ada = await newcomer(client, "admin"), await newcomer(client, "ada")
        user_id = (await client.get("/v1/auth/me", headers=bearer(ada))).json()["user_id"]
        body = {"name": "radio", "scopes": ["identify"]}
        key = (await client.post("/v1/auth/api-keys", json=body, headers=bearer(ada))).json()

        deletion = {"password": PASSWORD}
        refused = await client.post("/v1/auth/delete-account", json=deletion, headers=bearer(admin))
        done = await client.post("/v1/auth/delete-account", json=deletion, headers=bearer(ada))

        assert (refused.json()["code"], done.status_code) == ("admin_needed", 204)
        assert (await refresh(client, ada)).status_code == 401
        assert (await client.post("/v1/auth/token", json={"api_key": key["api_key"]})).status_code == 401
        assert [item["sk"] for item in (await served.accounts.query(f"user#{user_id}")).items] == ["deleted"]
        assert (await heard.get()).user_id == user_id
        assert (await sign_up(client, "ada")).json()["user_id"] != user_id
    await bus.close()


@pytest.mark.parametrize("version", ["2a", "2b", "2y"])
async def test_a_hash_of_bcrypt_is_verified_once_and_replaced(
    served: Served, client: httpx.AsyncClient, version: str
) -> None:
    user_id = (await sign_up(client, "ada")).json()["user_id"]
    old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).replace(b"$2b$", f"${version}$".encode())
    await store_hash(served, user_id, old)

    assert (await client.post("/v1/auth/login", json={"username": "ada", "password": "wrong"})).status_code == 401
    await asyncio.gather(log_in(client, "ada"), log_in(client, "ada"))

    kept = await served.accounts.get(Key(f"user#{user_id}", "user"))
    assert kept is not None
    assert str(kept["password_hash"]).startswith("$argon2id$")
    await log_in(client, "ada")


async def test_what_bcrypt_would_cut_is_refused_with_the_reason(served: Served, client: httpx.AsyncClient) -> None:
    long = "ü" * 40  # 80 bytes
    user_id = (await sign_up(client, "ada")).json()["user_id"]
    await store_hash(served, user_id, bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)))

    refused = await client.post("/v1/auth/login", json={"username": "ada", "password": long})

    assert (refused.status_code, refused.json()["code"]) == (422, "password_too_long")
    assert "72 bytes" in refused.json()["detail"]
    wrong = {"username": "ada", "password": "with \0 in it"}
    assert (await client.post("/v1/auth/login", json=wrong)).status_code == 401
    await log_in(client, "ada", long[:36])


@pytest.mark.parametrize("length", [11, 129])
async def test_a_password_of_a_wrong_length_is_refused_with_the_reason(client: httpx.AsyncClient, length: int) -> None:
    answer = await client.post("/v1/auth/signup", json={"username": "ada", "password": "ü" * length})
    assert answer.status_code == 422
    assert "/body/password" in answer.json()["detail"]


async def test_a_long_password_counts_to_its_last_byte(client: httpx.AsyncClient) -> None:
    long = "ü" * 127
    assert (await client.post("/v1/auth/signup", json={"username": "ada", "password": long + "a"})).status_code == 201

    assert (await client.post("/v1/auth/login", json={"username": "ada", "password": long + "b"})).status_code == 401
    await log_in(client, "ada", long + "a")


async def store_hash(served: Served, user_id: str, password_hash: bytes) -> None:
    user = await served.accounts.get(Key(f"user#{user_id}", "user"))
    assert user is not None
    await served.accounts.put({**user, "password_hash": password_hash.decode()})


LOOKALIKES = ["ADA-\u00c9", "ada-e\u0301", "\uff41da-\u00e9"]
UNSEEN = ["ada\u200b", "ada\ufe0f", "ada\u3164", "\u2800ada", "ad\u034fa", "a\u202eda"]


@pytest.mark.parametrize("other", LOOKALIKES)
async def test_one_name_is_one_account_however_its_letters_are_typed(client: httpx.AsyncClient, other: str) -> None:
    await sign_up(client, "ada-\u00e9")

    assert (await sign_up(client, other)).json()["code"] == "username_taken"
    assert await log_in(client, other)


@pytest.mark.parametrize("name", UNSEEN)
async def test_a_name_has_nothing_in_it_that_nobody_sees(client: httpx.AsyncClient, name: str) -> None:
    assert (await sign_up(client, name)).status_code == 422


async def test_a_password_that_is_changed_during_a_login_that_improves_its_hash_opens_nothing(
    served: Served, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await newcomer(client, "ada")
    key = Key(f"user#{(await client.get('/v1/auth/me', headers=bearer(owner))).json()['user_id']}", "user")
    of_before = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    await served.accounts.put({**(await served.accounts.get(key) or {}), "password_hash": of_before})
    write = served.accounts.transact

    async def overtaken(writes: Sequence[Write]) -> None:
        monkeypatch.undo()
        change = {"old_password": PASSWORD, "new_password": "another pass phrase"}
        assert (await client.post("/v1/auth/password", json=change, headers=bearer(owner))).status_code == 204
        await write(writes)

    monkeypatch.setattr(served.accounts, "transact", overtaken)
    late = await client.post("/v1/auth/login", json={"username": "ada", "password": PASSWORD})

    assert (late.status_code, late.json()["code"]) == (401, "wrong_credentials")
    assert await log_in(client, "ada", "another pass phrase")


async def test_a_name_that_becomes_too_long_when_it_is_folded_is_no_account(client: httpx.AsyncClient) -> None:
    name = "\ufdfa" * 64  # each of them stands for 18 letters

    assert (await sign_up(client, name)).status_code == 422
    unknown = await client.post("/v1/auth/login", json={"username": name, "password": PASSWORD})
    assert (unknown.status_code, unknown.json()["code"]) == (401, "wrong_credentials")


async def refresh(client: httpx.AsyncClient, tokens: dict[str, str]) -> httpx.Response:
    return await client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
