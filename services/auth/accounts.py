"""Which accounts are there, and how does one change or end, whoever asks for it?"""

from __future__ import annotations

from dataclasses import replace

from services.auth.store import ADMIN, AccountStore, User
from shared.errors import Rejected, Unavailable
from shared.runtime.audit import Audit
from shared.runtime.identity import Identity

ATTEMPTS = 5


class Accounts:
    """Lists accounts, gives them roles and removes them; somebody always stays to run the instance."""

    def __init__(self, store: AccountStore, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    async def require_admin(self, who: Identity) -> Identity:
        """Return who is asking, if they are an admin now, and not only when their token was issued.

        Raises
        ------
        Rejected
            They are not (status 403).
        """
        user = await self._store.user(who.user_id) if who.is_admin else None
        if user is None or user.role != ADMIN:
            raise Rejected("role_missing", "only an admin may do this", status=403)
        return who

    async def list(self, cursor: str | None, limit: int) -> tuple[list[User], str | None]:
        """Return a page of accounts, oldest first, and where the next one begins."""
        return await self._store.users(cursor, limit)

    async def change_role(self, admin: Identity, user_id: str, role: str, address: str) -> User:
        """Give somebody another role. Their next access token has it, which is due within minutes.

        Raises
        ------
        Rejected
            There is no such user (status 404), or nobody would run the instance (status 409).
        """
        for _ in range(ATTEMPTS):
            user = await self._require(user_id)
            if user.role == role:
                return user
            if await self._store.change_role(user, role):
                await self._audit.record(
                    "role.changed", actor=admin.user_id, subject=user_id, address=address, detail=role
                )
                return replace(user, role=role)
        raise Unavailable("this account is changed by too many at once")

    async def delete(self, who: Identity, user_id: str, address: str) -> None:
        """Remove an account and all that is kept of it.

        Raises
        ------
        Rejected
            There is no such user (status 404), or nobody would run the instance (status 409).
        """
        for _ in range(ATTEMPTS):
            if await self._store.delete_user(await self._require(user_id)):
                await self._audit.record("account.deleted", actor=who.user_id, subject=user_id, address=address)
                return
        raise Unavailable("this account is changed by too many at once")

    async def _require(self, user_id: str) -> User:
        user = await self._store.user(user_id)
        if user is None:
            raise Rejected("user_not_found", "there is no such user", status=404)
        return user
