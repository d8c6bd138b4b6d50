"""Which accounts, sessions, invites and API keys are there?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from services.auth.names import MOST_FOLDED_CHARACTERS, fold
from shared.errors import Rejected
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
USERS, ADMINS, INVITES = "users", "admins", "invites"
SESSION, API_KEY = "session#", "key#"
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """An account."""

    user_id: str
    username: str
    password_hash: str
    role: str
    created_at: str
    revision: int = 0


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
    """All of a user is in one partition: the account, its sessions and its keys.

    Two more partitions list the ids of all users, and of those who are admins, so that a transaction that takes an
    admin away can demand that another one stays.
    """

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
        writes: list[Write] = [Put(_user_item(user), Absent()), Put(name, Absent()), Put(_entry(USERS, user))]
        if user.role == ADMIN:
            writes.append(Put(_entry(ADMINS, user)))
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
        name = fold(username)
        item = await self._table.get(Key(f"name#{name}", "name")) if len(name) <= MOST_FOLDED_CHARACTERS else None
        return await self.user(str(item["user_id"])) if item else None

    async def users(self, cursor: str | None, limit: int) -> tuple[list[User], str | None]:
        """Return a page of accounts, oldest first, and where the next one begins."""
        page = await self._table.query(USERS, limit=limit, cursor=cursor)
        keys = [_user_key(str(item["sk"])) for item in page.items]
        found = await self._table.batch_get(keys)
        return [_made(User, found[key]) for key in keys if key in found], page.cursor

    async def change_password(self, user: User, password_hash: str) -> bool:
        """Store another hash; False where the account has changed meanwhile, or is gone."""
        return await self._transact([_changed(user, password_hash=password_hash)])

    async def change_role(self, user: User, role: str) -> bool:
        """Store another role; False where the account, or who else is an admin, has changed meanwhile.

        Raises
        ------
        Rejected
            Nobody else is an admin (status 409).
        """
        writes: list[Write] = [_changed(user, role=role)]
        if role == ADMIN:
            writes.append(Put(_entry(ADMINS, user)))
        elif user.role == ADMIN:
            writes += await self._without_admin(user)
        return await self._transact(writes)

    async def delete_user(self, user: User) -> bool:
        """Remove an account with all that is kept of it here, and tell the others; False as with a change of role.

        Raises
        ------
        Rejected
            Nobody else is an admin (status 409).
        """
        event = UserDeleted(user_id=user.user_id)
        note = with_pending({"pk": f"user#{user.user_id}", "sk": "deleted", "revision": 1}, [event])
        name = Key(f"name#{fold(user.username)}", "name")
        writes: list[Write] = [Delete(_user_key(user.user_id), _unchanged(user)), Delete(name), Put(note)]
        writes.append(Delete(Key(USERS, user.user_id)))
        if user.role == ADMIN:
            writes += await self._without_admin(user)
        if not await self._transact(writes):
            return False
        # Nobody comes in with them any more, and none can be added: so only now.
        await self.delete_sessions(user.user_id)
        async for key in self.api_keys(user.user_id):
            await self.delete_api_key(user.user_id, key.key_id)
        await self._outbox.publish(note)
        return True

    async def _without_admin(self, user: User) -> list[Write]:
        page = await self._table.query(ADMINS, limit=2)
        other = next((str(item["sk"]) for item in page.items if item["sk"] != user.user_id), None)
        if other is None:
            raise Rejected("admin_needed", "this is the only admin: make somebody else one first", status=409)
        return [Delete(Key(ADMINS, user.user_id)), Check(Key(ADMINS, other), Exists())]

    # --- Sessions ---

    async def add_session(self, session: Session, user: User) -> bool:
        """Store a session; False where the account's password has changed meanwhile, or it is gone."""
        same = Equals("password_hash", user.password_hash)
        return await self._transact([Put(_session_item(session)), Check(_user_key(user.user_id), same)])

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

    async def add_api_key(self, key: ApiKey) -> bool:
        """Store an API key; False where the account is gone."""
        item = {"pk": f"user#{key.user_id}", "sk": API_KEY + key.key_id, **asdict(key)}
        return await self._transact([Put(item), Check(_user_key(key.user_id), Exists())])

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


def _user_key(user_id: str) -> Key:
    return Key(f"user#{user_id}", "user")


def _user_item(user: User) -> Item:
    return {"pk": f"user#{user.user_id}", "sk": "user", **asdict(user)}


def _session_item(session: Session) -> Item:
    return {"pk": f"user#{session.user_id}", "sk": SESSION + session.session_id, **asdict(session)}


def _entry(partition: str, user: User) -> Item:
    return {"pk": partition, "sk": user.user_id}


def _changed(user: User, **changes: str) -> Put:
    return Put(_user_item(replace(user, revision=user.revision + 1, **changes)), _unchanged(user))


def _unchanged(user: User) -> Equals:
    # Accounts of before have no revision until they change.
    return Equals("revision", user.revision) if user.revision else Equals("password_hash", user.password_hash)


def _read(kind: type[Kept], item: Item | None) -> Kept | None:
    return None if item is None else _made(kind, item)


def _made(kind: type[Kept], item: Item) -> Kept:
    fields: dict[str, Any] = {name: item[name] for name in kind.__dataclass_fields__ if name in item}
    return kind(**fields)
