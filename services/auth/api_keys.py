"""What does a machine ask with, which has no password? A key of its owner's that is good for some things only.

A key is exchanged for an access token of a few minutes, so that services verify machines like people: by themselves.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from hashlib import sha256

from ulid import ULID

from services.auth.keys import SigningKeys
from services.auth.settings import AuthSettings
from services.auth.store import AccountStore, ApiKey
from shared.errors import Rejected
from shared.runtime.audit import Audit
from shared.runtime.identity import Identity

PREFIX = "tsk"
"""Begins every key, so that it is found where it should not be."""
MOST_KEYS = 100


class ApiKeys:
    """Makes, lists, revokes and exchanges keys."""

    def __init__(self, store: AccountStore, keys: SigningKeys, audit: Audit, settings: AuthSettings) -> None:
        self._store = store
        self._keys = keys
        self._audit = audit
        self._settings = settings

    async def create(self, user_id: str, name: str, scopes: Collection[str], address: str) -> tuple[ApiKey, str]:
        """Return a new key, and its text, which nobody can tell afterwards.

        Raises
        ------
        Rejected
            Somebody has too many (status 409), or no account any more (status 401).
        """
        if len(await self.list(user_id)) >= MOST_KEYS:
            raise Rejected("too_many_keys", f"there are {MOST_KEYS} keys already; revoke one", status=409)
        secret = secrets.token_urlsafe(32)
        key = ApiKey(str(ULID()), user_id, name, sorted(scopes), datetime.now(UTC).isoformat(), _hash(secret))
        if not await self._store.add_api_key(key):
            raise Rejected("account_deleted", "this account was deleted", status=401)
        await self._audit.record(
            "api_key.created", actor=user_id, subject=key.key_id, address=address, detail=" ".join(key.scopes)
        )
        return key, f"{PREFIX}.{user_id}.{key.key_id}.{secret}"

    async def list(self, user_id: str) -> list[ApiKey]:
        """Return somebody's keys, newest first."""
        return [key async for key in self._store.api_keys(user_id)]

    async def revoke(self, user_id: str, key_id: str, address: str) -> None:
        """Make a key worthless; tokens that were got for it live on for their few minutes."""
        if await self._store.api_key(user_id, key_id) is not None:
            await self._store.delete_api_key(user_id, key_id)
            await self._audit.record("api_key.revoked", actor=user_id, subject=key_id, address=address)

    async def exchange(self, text: str, address: str) -> tuple[str, int]:
        """Return an access token, and its life in seconds.

        Raises
        ------
        Rejected
            The key is not one of ours, or was revoked (status 401).
        """
        key = await self._find(text)
        user = None if key is None else await self._store.user(key.user_id)
        if key is None or user is None:
            await self._audit.record("api_key.refused", address=address, outcome="refused")
            raise Rejected("key_invalid", "this API key is unknown or was revoked", status=401)
        identity = Identity(user.user_id, user.username, user.role, scopes=frozenset(key.scopes))
        life_s = self._settings.access_token_s
        return self._keys.sign(identity, life_s=life_s), life_s

    async def _find(self, text: str) -> ApiKey | None:
        parts = text.split(".")
        if len(parts) != 4 or not all(parts) or parts[0] != PREFIX or not text.isascii():
            return None
        key = await self._store.api_key(parts[1], parts[2])
        return key if key is not None and hmac.compare_digest(key.secret_hash, _hash(parts[3])) else None


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
