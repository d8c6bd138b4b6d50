"""Does the audit trail tell what was done to accounts, and never what opens one?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.unit.auth.conftest import PASSWORD, Served, bearer, log_in, newcomer, serve, sign_up


async def test_what_happens_to_accounts_is_recorded_without_secrets(served: Served, client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        admin = await newcomer(client, "admin")
        invite = (await client.post("/v1/auth/invites", json={}, headers=bearer(admin))).json()
        other = (await client.post("/v1/auth/invites", json={}, headers=bearer(admin))).json()
        await client.delete(f"/v1/auth/invites/{other['invite_id']}", headers=bearer(admin))
        user = (await sign_up(client, "ada", invite=invite["code"])).json()["user_id"]
        await sign_up(client, "ada")
        ada, thief = await log_in(client, "ada"), await log_in(client, "ada")
        await client.post("/v1/auth/login", json={"username": "ada", "password": "wrong"})
        await client.post("/v1/auth/login", json={"username": "oops my password", "password": "x"})
        following = (await client.post("/v1/auth/refresh", json={"refresh_token": thief["refresh_token"]})).json()
        await client.post("/v1/auth/refresh", json={"refresh_token": thief["refresh_token"]})
        key = await client.post("/v1/auth/api-keys", json={"name": "r", "scopes": ["read"]}, headers=bearer(ada))
        await client.delete(f"/v1/auth/api-keys/{key.json()['key_id']}", headers=bearer(ada))
        await client.post("/v1/auth/token", json={"api_key": key.json()["api_key"]})
        change = {"old_password": "wrong", "new_password": "another pass phrase"}
        await client.post("/v1/auth/password", json=change, headers=bearer(ada))
        await client.post("/v1/auth/password", json=change | {"old_password": PASSWORD}, headers=bearer(ada))
        await client.patch(f"/v1/auth/users/{user}", json={"role": "listener"}, headers=bearer(admin))
        listed = (await client.get("/v1/auth/sessions", headers=bearer(ada))).json()["sessions"]
        await client.delete(f"/v1/auth/sessions/{listed[0]['session_id']}", headers=bearer(ada))
        again = await log_in(client, "ada", "another pass phrase")
        await client.post("/v1/auth/logout", json={"refresh_token": again["refresh_token"]})
        await client.post("/v1/auth/logout-everywhere", headers=bearer(ada))
        await client.delete(f"/v1/auth/users/{user}", headers=bearer(admin))

    trail = [line for line in lines if line["event"] == "audit.recorded"]
    assert [line["action"] for line in trail] == [
        *("account.created", "login.allowed", "invite.created", "invite.created", "invite.withdrawn"),
        *("invite.used", "account.created", "signup.refused", "login.allowed", "login.allowed"),
        *("login.refused", "login.refused", "refresh_token.reused"),
        *("api_key.created", "api_key.revoked", "api_key.refused"),
        *("password.refused", "password.changed", "role.changed", "session.ended"),
        *("login.allowed", "session.ended", "sessions.ended", "account.deleted"),
    ]
    assert {line["address"] for line in trail} == {"127.0.0.1"}
    assert [line["detail"] for line in trail if line["action"] == "role.changed"] == ["listener"]
    known, unknown = [line for line in trail if line["action"] == "login.refused"]
    assert known["subject"] == user
    assert not {"subject", "actor", "detail"} & unknown.keys()
    assert all((line["outcome"] == "refused") == (line["log_level"] == "warning") for line in trail)
    secrets = [PASSWORD, "another pass phrase", "oops my password", invite["code"], key.json()["api_key"]]
    secrets += [text for tokens in (admin, ada, thief, following) for text in token_texts(tokens)]
    assert not [secret for secret in secrets if secret in str(lines)]


async def test_who_is_slowed_down_is_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNESCOUT_AUTH_WRONG_PASSWORDS_PER_MINUTE", "1")
    async with serve(tmp_path).client("192.0.2.7") as client:
        with capture_logs() as lines:
            for _ in range(2):
                await client.post("/v1/auth/login", json={"username": "ada", "password": "wrong"})

    limited = {"action": "login.limited", "address": "192.0.2.7", "outcome": "refused"}
    assert [line for line in lines if limited.items() <= line.items()]


def token_texts(tokens: dict[str, Any]) -> list[str]:
    return [str(tokens[name]) for name in ("access_token", "refresh_token")]
