"""Who may have an account, and what does somebody get who knows the password?"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import structlog
from ulid import ULID

from services.auth.keys import SigningKey
from services.auth.passwords import Passwords
from services.auth.settings import AuthSettings
from services.auth.store import AccountStore, Session, User
from shared.errors import Rejected, Unavailable
from shared.events import UserRegistered
from shared.messaging.bus import EventBus
from shared.runtime.identity import Identity

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client needs to stay signed in."""

    access_token: str
    refresh_token: str
    expires_in_s: int


class AuthService:
    """Sign-up, login, refresh, logout."""

    def __init__(
        self, store: AccountStore, passwords: Passwords, key: SigningKey, bus: EventBus, settings: AuthSettings
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._key = key
        self._bus = bus
        self._settings = settings

    async def sign_up(self, username: str, password: str) -> User:
        """Make an account; the first one of an instance runs it.

        Raises
        ------
        Rejected
            The name is taken, or sign-up is closed.
        """
        is_first = not await self._store.has_users()
        if self._settings.signup == "closed" and not is_first:
            raise Rejected("signup_closed", "this service does not take new accounts", status=403)
        return await self.add_user(username, password, role="admin" if is_first else "contributor")

    async def add_user(self, username: str, password: str, *, role: str) -> User:
        """Make an account whatever the sign-up setting says."""
        now = datetime.now(UTC).isoformat()
        user = User(str(ULID()), username, await self._passwords.hash(password), role, now)
        if not await self._store.add_user(user):
            if role == "admin" and await self._store.user_by_name(username) is None:
                return await self.add_user(username, password, role="contributor")  # somebody else was first
            raise Rejected("username_taken", "this user name is taken", status=409)
        log.info("user.registered", user_id=user.user_id, role=user.role)
        try:
            await self._bus.publish(UserRegistered(user_id=user.user_id))
        except Unavailable as error:
            # An account does not wait for the broker; only the statistics miss it.
            log.warning("event.dropped", event_name=UserRegistered.name, reason=error.reason)
        return user

    async def log_in(self, username: str, password: str) -> Tokens:
        """Return tokens for somebody who knows the password.

        Raises
        ------
        Rejected
            The name or the password is wrong; which of them is not told (status 401).
        """
        user = await self._store.user_by_name(username)
        is_right = await self._passwords.verify(password, user.password_hash if user else None)
        if user is None or not is_right:
            log.warning("login.refused")
            raise Rejected("wrong_credentials", "the user name or the password is wrong", status=401)
        log.info("user.logged_in", user_id=user.user_id)
        return await self._tokens(user)

    async def refresh(self, refresh_token: str) -> Tokens:
        """Exchange a refresh token for new tokens; it works once.

        Raises
        ------
        Rejected
            The token is unknown, used or expired (status 401).
        """
        session = await self._store.take_session(_hash(refresh_token))
        user = await self._store.user(session.user_id) if session else None
        if user is None:
            raise Rejected("session_ended", "this session has ended; log in again", status=401)
        return await self._tokens(user)

    async def log_out(self, refresh_token: str) -> None:
        """End a session; one that has ended is no error."""
        await self._store.take_session(_hash(refresh_token))

    async def _tokens(self, user: User) -> Tokens:
        refresh_token = secrets.token_urlsafe(32)
        expires_at = int(datetime.now(UTC).timestamp()) + self._settings.refresh_token_s
        await self._store.add_session(Session(_hash(refresh_token), user.user_id, expires_at))
        identity = Identity(user.user_id, user.username, user.role)
        access_token = self._key.sign(identity, life_s=self._settings.access_token_s)
        return Tokens(access_token, refresh_token, self._settings.access_token_s)


def _hash(token: str) -> str:
    # The token is 256 random bits, so a plain hash keeps it as safe as a slow one would.
    return sha256(token.encode()).hexdigest()
