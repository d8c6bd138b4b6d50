"""Which accounts, sessions, invites and API keys are there?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from shared.events import UserDeleted
from shared.messaging.outbox import Outbox, with_pending
from shared.storage.tables import (
    Absent,
    Check,
    ConditionFailed,
    Delete,
    Equals,
    Exists,
    Index,
    Item,
    Key,
    Put,
    Table,
    TableSpec,
    Write,
)

ACCOUNTS = TableSpec("accounts", (Index("pending", pk="pending", sk="pending_at"),), expiry="expires_at")
FIRST = Key("first", "first")
INVITES = "invites"
SESSION, API_KEY = "session#", "key#"


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
    """A login, and what its refresh tokens are recognised by: the one that is good now, and the one before it.

    `seed` makes the next token of the present one; without the token it is worth nothing.
    """

    session_id: str
    user_id: str
    agent: str
    created_at: str
    used_at: str
    expires_at: int
    seed: str
    token_hash: str
    replaced_hash: str | None = None
    replaced_at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Invite:
    """The permission to make one account; stored under the hash of its code."""

    code_hash: str
    role: str
    created_by: str
    created_at: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What a machine asks with in its owner's name."""

    key_id: str
    user_id: str
    name: str
    scopes: list[str]
    created_at: str
    secret_hash: str


Kept = TypeVar("Kept", User, Session, Invite, ApiKey)


class AccountStore:
    """All of a user is in one partition: the account, its sessions and its keys."""

    def __init__(self, table: Table, outbox: Outbox) -> None:
        self._table = table
        self._outbox = outbox

    # --- Accounts ---

    async def has_users(self) -> bool:
        """Tell whether anybody has an account."""
        return await self._table.get(FIRST) is not None

    async def add_user(self, user: User, *, is_first: bool = False, invite: Invite | None = None) -> bool:
        """Store a new account; False where the name is taken, another one was first, or the invite is used up."""
        name = {"pk": f"name#{fold(user.username)}", "sk": "name", "user_id": user.user_id}
        writes: list[Write] = [Put(_user_item(user), Absent()), Put(name, Absent())]
        if is_first:
            writes.append(Put({"pk": FIRST.pk, "sk": FIRST.sk, "user_id": user.user_id}, Absent()))
        if invite is not None:
            writes.append(Delete(Key(INVITES, invite.code_hash), Exists()))
        return await self._transact(writes)

    async def user(self, user_id: str) -> User | None:
        """Return an account by its id."""
        return _read(User, await self._table.get(_user_key(user_id)))

    async def user_by_name(self, username: str) -> User | None:
        """Return an account by its name, in any capitalisation."""
        item = await self._table.get(Key(f"name#{fold(username)}", "name"))
        return await self.user(str(item["user_id"])) if item else None

    async def replace_user(self, old: User, new: User) -> bool:
        """Store a changed account; False where its password has changed meanwhile, or it is gone."""
        return await self._transact([Put(_user_item(new), _unchanged(old))])

    async def delete_user(self, user: User) -> bool:
        """Remove an account with all that is kept of it here, and tell the others."""
        await self.delete_sessions(user.user_id)
        async for key in self.api_keys(user.user_id):
            await self.delete_api_key(user.user_id, key.key_id)
        event = UserDeleted(user_id=user.user_id)
        note = with_pending({"pk": f"user#{user.user_id}", "sk": "deleted", "revision": 1}, [event])
        name = Key(f"name#{fold(user.username)}", "name")
        if not await self._transact([Delete(_user_key(user.user_id), _unchanged(user)), Delete(name), Put(note)]):
            return False
        await self._outbox.publish(note)
        return True

    # --- Sessions ---

    async def add_session(self, session: Session, user: User) -> bool:
        """Store a session; False where the account's password has changed meanwhile, or it is gone."""
        return await self._transact([Put(_session_item(session)), Check(_user_key(user.user_id), _unchanged(user))])

    async def session(self, user_id: str, session_id: str) -> Session | None:
        """Return a session that has not ended."""
        return _read(Session, await self._table.get(Key(f"user#{user_id}", SESSION + session_id)))

    async def replace_session(self, old: Session, new: Session) -> bool:
        """Store a session with its next token; False where somebody else was first."""
        return await self._transact([Put(_session_item(new), Equals("token_hash", old.token_hash))])

    async def sessions(self, user_id: str) -> AsyncIterator[Session]:
        """Iterate over somebody's sessions, newest first."""
        async for item in self._all(f"user#{user_id}", SESSION):
            yield _made(Session, item)

    async def delete_session(self, user_id: str, session_id: str) -> None:
        """End a session; one that has ended is no error."""
        await self._table.delete(Key(f"user#{user_id}", SESSION + session_id))

    async def delete_sessions(self, user_id: str, *, but: str | None = None) -> None:
        """End all sessions of somebody, or all but one."""
        ended = [Key(f"user#{user_id}", SESSION + s.session_id) async for s in self.sessions(user_id)]
        await self._table.batch_write([], [key for key in ended if key.sk != f"{SESSION}{but}"])

    # --- Invites ---

    async def add_invite(self, invite: Invite) -> None:
        """Store an invite."""
        await self._table.put({"pk": INVITES, "sk": invite.code_hash, **asdict(invite)})

    async def invite(self, code_hash: str) -> Invite | None:
        """Return an invite that is neither used nor expired."""
        return _read(Invite, await self._table.get(Key(INVITES, code_hash)))

    async def invites(self) -> AsyncIterator[Invite]:
        """Iterate over the invites that are still good."""
        async for item in self._all(INVITES):
            yield _made(Invite, item)

    async def delete_invite(self, code_hash: str) -> None:
        """Withdraw an invite; one that is gone is no error."""
        await self._table.delete(Key(INVITES, code_hash))

    # --- API keys ---

    async def add_api_key(self, key: ApiKey) -> None:
        """Store an API key."""
        await self._table.put({"pk": f"user#{key.user_id}", "sk": API_KEY + key.key_id, **asdict(key)})

    async def api_key(self, user_id: str, key_id: str) -> ApiKey | None:
        """Return an API key that was not revoked."""
        return _read(ApiKey, await self._table.get(Key(f"user#{user_id}", API_KEY + key_id)))

    async def api_keys(self, user_id: str) -> AsyncIterator[ApiKey]:
        """Iterate over somebody's API keys, newest first."""
        async for item in self._all(f"user#{user_id}", API_KEY):
            yield _made(ApiKey, item)

    async def delete_api_key(self, user_id: str, key_id: str) -> None:
        """Revoke an API key; one that is gone is no error."""
        await self._table.delete(Key(f"user#{user_id}", API_KEY + key_id))

    async def _transact(self, writes: list[Write]) -> bool:
        try:
            await self._table.transact(writes)
        except ConditionFailed:
            return False
        return True

    async def _all(self, pk: str, sk_prefix: str = "") -> AsyncIterator[Item]:
        cursor = None
        while True:
            page = await self._table.query(pk, sk_prefix=sk_prefix, cursor=cursor, descending=True)
            for item in page.items:
                yield item
            cursor = page.cursor
            if cursor is None:
                return


def fold(username: str) -> str:
    """Return the form of a name under which it must be unique."""
    return username.casefold()


def _user_key(user_id: str) -> Key:
    return Key(f"user#{user_id}", "user")


def _user_item(user: User) -> Item:
    return {"pk": f"user#{user.user_id}", "sk": "user", **asdict(user)}


def _session_item(session: Session) -> Item:
    return {"pk": f"user#{session.user_id}", "sk": SESSION + session.session_id, **asdict(session)}


def _unchanged(user: User) -> Equals:
    return Equals("password_hash", user.password_hash)


def _read(kind: type[Kept], item: Item | None) -> Kept | None:
    return None if item is None else _made(kind, item)


def _made(kind: type[Kept], item: Item) -> Kept:
    fields: dict[str, Any] = {name: item[name] for name in kind.__dataclass_fields__}
    return kind(**fields)
