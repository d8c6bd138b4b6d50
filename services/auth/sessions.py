"""How does somebody stay signed in, and how is a stolen refresh token noticed?

A refresh token works once and is answered with the next one. One that comes again was stolen, or belongs to somebody
from whom it was stolen: the whole session ends. By a setting the last token may come again for a moment, as long as the
next one was not used, because an answer can be lost on its way; it gets the same next token as before.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from ulid import ULID

from services.auth.keys import SigningKeys
from services.auth.settings import AuthSettings
from services.auth.store import AccountStore, Session, User
from shared.errors import Rejected, Unavailable
from shared.runtime.audit import Audit
from shared.runtime.identity import Identity

ATTEMPTS = 5
TOKEN_CHARACTERS = 128
"""More than any refresh token has."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client needs to stay signed in."""

    access_token: str
    refresh_token: str
    expires_in_s: int
    session_id: str


class Sessions:
    """Begins sessions, and goes on with them."""

    def __init__(self, store: AccountStore, keys: SigningKeys, audit: Audit, settings: AuthSettings) -> None:
        self._store = store
        self._keys = keys
        self._audit = audit
        self._settings = settings

    async def begin(self, user: User, agent: str) -> Tokens | None:
        """Return the first tokens of a session; None where the account's password has changed meanwhile."""
        secret = secrets.token_urlsafe(32)
        session = Session(
            session_id=str(ULID()),
            user_id=user.user_id,
            agent=agent,
            created_at=_now(),
            used_at=_now(),
            expires_at=self._expires_at(),
            seed=secrets.token_hex(32),
            token_hash=_hash(secret),
        )
        if not await self._store.add_session(session, user):
            return None
        return self._tokens(user, session, secret)

    async def refresh(self, token: str, address: str) -> Tokens:
        """Exchange a refresh token for new tokens.

        Raises
        ------
        Rejected
            The token is unknown or expired, or was used before; then its session ends (status 401).
        """
        for _ in range(ATTEMPTS):
            session, secret = await self._find(token)
            user = None if session is None else await self._store.user(session.user_id)
            if session is None or user is None:
                raise Rejected("session_ended", "this session has ended; log in again", status=401)
            following = _next(session.seed, secret)
            if _hash(secret) != session.token_hash:
                await self._refuse_stolen(session, secret, address)
                return self._tokens(user, session, following)
            renewed = replace(
                session,
                used_at=_now(),
                expires_at=self._expires_at(),
                token_hash=_hash(following),
                replaced_hash=session.token_hash,
                replaced_at_s=time.time(),
            )
            if await self._store.replace_session(session, renewed):
                return self._tokens(user, renewed, following)
        raise Unavailable("this session is refreshed by too many at once")

    async def _refuse_stolen(self, session: Session, secret: str, address: str) -> None:
        grace_s = self._settings.refresh_grace_s
        is_last = _hash(secret) == session.replaced_hash
        # Without a grace clocks are not asked, because those of two replicas differ.
        if grace_s and is_last and time.time() - session.replaced_at_s <= grace_s:
            return
        await self._store.delete_session(session.user_id, session.session_id)
        await self._audit.record(
            "refresh_token.reused",
            actor=session.user_id,
            subject=session.session_id,
            address=address,
            outcome="refused",
        )
        raise Rejected("session_ended", "this refresh token was used before: the session has ended", status=401)

    async def end(self, token: str, address: str) -> None:
        """End the session of a refresh token; one that has ended is no error."""
        session, _ = await self._find(token)
        if session is not None:
            await self._store.delete_session(session.user_id, session.session_id)
            await self._audit.record(
                "session.ended", actor=session.user_id, subject=session.session_id, address=address
            )

    async def _find(self, token: str) -> tuple[Session | None, str]:
        user_id, _, rest = token.partition(".")
        session_id, _, secret = rest.partition(".")
        if not (user_id and session_id and secret and token.isascii()) or len(token) > TOKEN_CHARACTERS:
            return None, ""
        return await self._store.session(user_id, session_id), secret

    def _tokens(self, user: User, session: Session, secret: str) -> Tokens:
        identity = Identity(user.user_id, user.username, user.role, session.session_id)
        life_s = self._settings.access_token_s
        refresh_token = f"{user.user_id}.{session.session_id}.{secret}"
        return Tokens(self._keys.sign(identity, life_s=life_s), refresh_token, life_s, session.session_id)

    def _expires_at(self) -> int:
        return int(time.time()) + self._settings.refresh_token_s


def _next(seed: str, secret: str) -> str:
    # Known again when the same token comes again, and to nobody who has read only the table or only the token.
    digest = hmac.digest(seed.encode(), secret.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _hash(secret: str) -> str:
    # It is 256 random bits, so a plain hash keeps it as safe as a slow one would.
    return sha256(secret.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat()
