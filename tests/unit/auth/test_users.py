"""What may admins do to the accounts of others, and does somebody always stay to run the instance?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.storage.tables import Key
from tests.unit.auth.conftest import PASSWORD, Served, bearer, log_in, newcomer, serve, sign_up


async def test_all_accounts_are_listed_page_by_page(client: httpx.AsyncClient) -> None:
    admin = bearer(await newcomer(client, "admin"))
    names = [f"user-{number}" for number in range(4)]
    for name in names:
        await sign_up(client, name)

    listed: list[dict[str, Any]] = []
    params: dict[str, str | int] = {"limit": 2}
    while True:
        page = (await client.get("/v1/auth/users", params=params, headers=admin)).json()
        listed += page["users"]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]

    assert sorted(one["username"] for one in listed) == sorted(["admin", *names])
    assert set(listed[0]) == {"user_id", "username", "role", "created_at"}
    wrong = await client.get("/v1/auth/users", params={"cursor": "nonsense"}, headers=admin)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "cursor_invalid")


async def test_only_admins_see_or_change_the_accounts_of_others(client: httpx.AsyncClient) -> None:
    admin, ada = await newcomer(client, "admin"), await newcomer(client, "ada")
    path = f"/v1/auth/users/{await user_id(client, admin)}"

    answers = [
        await client.get("/v1/auth/users", headers=bearer(ada)),
        await client.patch(path, json={"role": "listener"}, headers=bearer(ada)),
        await client.delete(path, headers=bearer(ada)),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "role_missing")] * 3
    assert (await client.get("/v1/auth/users")).status_code == 401
    nobody = await client.patch("/v1/auth/users/nobody", json={"role": "listener"}, headers=bearer(admin))
    assert (nobody.status_code, nobody.json()["code"]) == (404, "user_not_found")
    assert (await client.delete("/v1/auth/users/nobody", headers=bearer(admin))).status_code == 404
    assert (await change(client, admin, "nobody", "king")).status_code == 422


async def test_the_next_token_of_a_person_and_of_a_machine_has_the_new_role(client: httpx.AsyncClient) -> None:
    admin, ada = await newcomer(client, "admin"), await newcomer(client, "ada")
    body = {"name": "radio", "scopes": ["upload"]}
    key = (await client.post("/v1/auth/api-keys", json=body, headers=bearer(ada))).json()["api_key"]

    changed = await change(client, admin, await user_id(client, ada), "listener")

    assert (changed.status_code, changed.json()["role"]) == (200, "listener")
    person = (await client.post("/v1/auth/refresh", json={"refresh_token": ada["refresh_token"]})).json()
    machine = (await client.post("/v1/auth/token", json={"api_key": key})).json()
    for tokens in (person, machine, await log_in(client, "ada")):
        assert (await client.post("/upload", headers=bearer(tokens))).json()["code"] == "role_missing"


async def test_who_was_an_admin_when_the_token_was_issued_is_none_any_more(client: httpx.AsyncClient) -> None:
    admin, ada = await newcomer(client, "admin"), await newcomer(client, "ada")
    ada_id = await user_id(client, ada)
    await change(client, admin, ada_id, "admin")
    ada = await log_in(client, "ada")
    assert (await change(client, admin, ada_id, "contributor")).status_code == 200

    assert (await change(client, ada, ada_id, "admin")).status_code == 403
    assert (await client.post("/v1/auth/invites", json={}, headers=bearer(ada))).status_code == 403


async def test_an_account_of_before_revisions_changes_too(served: Served, client: httpx.AsyncClient) -> None:
    admin, ada = await newcomer(client, "admin"), await newcomer(client, "ada")
    ada_id = await user_id(client, ada)
    kept = await served.accounts.get(Key(f"user#{ada_id}", "user"))
    assert kept is not None
    await served.accounts.put({name: value for name, value in kept.items() if name != "revision"})

    assert [(await change(client, admin, ada_id, role)).status_code for role in ("listener", "admin")] == [200, 200]


async def test_the_last_admin_stays_one(client: httpx.AsyncClient) -> None:
    admin, ada = await newcomer(client, "admin"), await newcomer(client, "ada")
    admin_id, ada_id = await user_id(client, admin), await user_id(client, ada)

    async def leave(tokens: dict[str, Any]) -> httpx.Response:
        return await client.post("/v1/auth/delete-account", json={"password": PASSWORD}, headers=bearer(tokens))

    alone = [
        await change(client, admin, admin_id, "listener"),
        await client.delete(f"/v1/auth/users/{admin_id}", headers=bearer(admin)),
        await leave(admin),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in alone] == [(409, "admin_needed")] * 3

    await change(client, admin, ada_id, "admin")
    assert (await leave(admin)).status_code == 204
    assert (await leave(await log_in(client, "ada"))).status_code == 409


@pytest.mark.parametrize("ending", ["demoted", "deleted"])
async def test_two_admins_who_end_each_other_at_once_leave_one(tmp_path: Path, ending: str) -> None:
    one, other = serve(tmp_path), serve(tmp_path)  # two replicas
    async with one.client() as client, other.client() as elsewhere:
        tokens = {"first": await newcomer(client, "first"), "second": await newcomer(client, "second")}
        ids = {name: await user_id(client, token) for name, token in tokens.items()}
        await change(client, tokens["first"], ids["second"], "admin")
        tokens["second"] = await log_in(client, "second")

        async def end(http: httpx.AsyncClient, by: str, whom: str) -> httpx.Response:
            if ending == "demoted":
                return await change(http, tokens[by], ids[whom], "listener")
            return await http.delete(f"/v1/auth/users/{ids[whom]}", headers=bearer(tokens[by]))

        answers = await asyncio.gather(end(client, "first", "second"), end(elsewhere, "second", "first"))

        assert sorted(answer.status_code for answer in answers)[0] in (200, 204)
        assert sorted(answer.status_code for answer in answers)[1] in (403, 409)
        survivor = "first" if answers[0].is_success else "second"
        users = (await client.get("/v1/auth/users", headers=bearer(tokens[survivor]))).json()["users"]
        assert [user["username"] for user in users if user["role"] == "admin"] == [survivor]


async def test_an_account_that_an_admin_deletes_is_gone_with_all_its_keys(client: httpx.AsyncClient) -> None:
    admin, ada = await newcomer(client, "admin"), await newcomer(client, "ada")
    body = {"name": "radio", "scopes": ["read"]}
    key = (await client.post("/v1/auth/api-keys", json=body, headers=bearer(ada))).json()["api_key"]

    gone = await client.delete(f"/v1/auth/users/{await user_id(client, ada)}", headers=bearer(admin))

    assert gone.status_code == 204
    assert (await client.post("/v1/auth/refresh", json={"refresh_token": ada["refresh_token"]})).status_code == 401
    assert (await client.post("/v1/auth/token", json={"api_key": key})).status_code == 401
    assert (await client.post("/v1/auth/api-keys", json=body, headers=bearer(ada))).status_code == 401
    assert len((await client.get("/v1/auth/users", headers=bearer(admin))).json()["users"]) == 1
    assert (await sign_up(client, "ada")).status_code == 201


async def user_id(client: httpx.AsyncClient, tokens: dict[str, Any]) -> str:
    found: str = (await client.get("/v1/auth/me", headers=bearer(tokens))).json()["user_id"]
    return found


async def change(client: httpx.AsyncClient, by: dict[str, Any], whom: str, role: str) -> httpx.Response:
    return await client.patch(f"/v1/auth/users/{whom}", json={"role": role}, headers=bearer(by))
