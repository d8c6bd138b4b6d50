"""Which accounts and sessions are there?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from shared.storage.tables import Absent, ConditionFailed, Equals, Item, Key, Put, Table, TableSpec

ACCOUNTS = TableSpec("accounts", expiry="expires_at")
FIRST = Key("first", "first")


@dataclass(frozen=True, slots=True)
class User:
    """An account."""

    user_id: str
    username: str
    password_hash: str
    role: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Session:
    """What a refresh token stands for; stored under the token's hash."""

    token_hash: str
    user_id: str
    expires_at: int


class AccountStore:
    """Accounts by id and by name, sessions by the hash of their refresh token."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def has_users(self) -> bool:
        """Tell whether anybody has an account."""
        return await self._table.get(FIRST) is not None

    async def add_user(self, user: User) -> bool:
        """Store a new account; False where the name is taken. The first of all becomes admin for certain."""
        writes = [
            Put({"pk": f"user#{user.user_id}", "sk": "user", **asdict(user)}, Absent()),
            Put({"pk": f"name#{fold(user.username)}", "sk": "name", "user_id": user.user_id}, Absent()),
        ]
        if user.role == "admin":
            writes.append(Put({"pk": FIRST.pk, "sk": FIRST.sk, "user_id": user.user_id}, Absent()))
        try:
            await self._table.transact(writes)
        except ConditionFailed:
            return False
        return True

    async def user(self, user_id: str) -> User | None:
        """Return an account by its id."""
        item = await self._table.get(Key(f"user#{user_id}", "user"))
        return User(**_fields(User, item)) if item else None

    async def user_by_name(self, username: str) -> User | None:
        """Return an account by its name, in any capitalisation."""
        item = await self._table.get(Key(f"name#{fold(username)}", "name"))
        return await self.user(str(item["user_id"])) if item else None

    async def add_session(self, session: Session) -> None:
        """Store a session."""
        await self._table.put({"pk": f"session#{session.token_hash}", "sk": "session", **asdict(session)})

    async def take_session(self, token_hash: str) -> Session | None:
        """Remove a session and return it: a refresh token works once, whoever comes first."""
        key = Key(f"session#{token_hash}", "session")
        item = await self._table.get(key)
        if item is None:
            return None
        try:
            await self._table.delete(key, condition=Equals("token_hash", token_hash))
        except ConditionFailed:
            return None
        session = Session(**_fields(Session, item))
        return session if session.expires_at > datetime.now(UTC).timestamp() else None


def fold(username: str) -> str:
    """Return the form of a name under which it must be unique."""
    return username.casefold()


def _fields(kind: type[User] | type[Session], item: Item) -> dict[str, Any]:
    return {name: item[name] for name in kind.__dataclass_fields__}
