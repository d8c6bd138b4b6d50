"""Who may have an account, and what does somebody get who knows the password?"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import structlog
from ulid import ULID

from services.auth.passwords import Passwords
from services.auth.sessions import Sessions, Tokens
from services.auth.settings import AuthSettings
from services.auth.store import AccountStore, Invite, Session, User
from shared.errors import Rejected, Unavailable
from shared.events import UserRegistered
from shared.messaging.bus import EventBus
from shared.runtime.identity import Identity

log = structlog.get_logger()


class AuthService:
    """Sign-up, invites, login, change of password, the end of sessions and of accounts."""

    def __init__(
        self, store: AccountStore, passwords: Passwords, sessions: Sessions, bus: EventBus, settings: AuthSettings
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._sessions = sessions
        self._bus = bus
        self._settings = settings

    # --- Accounts ---

    async def sign_up(self, username: str, password: str, invite_code: str | None) -> User:
        """Make an account; the first one of an instance runs it.

        Raises
        ------
        Rejected
            The name is taken, sign-up is closed, or needs an invite that is still good.
        """
        if not await self._store.has_users():
            try:
                return await self.add_user(username, password, role="admin", is_first=True)
            except Rejected as refused:
                if refused.code != "signup_overtaken":
                    raise
        invite = await self._invite(invite_code)
        role = self._settings.signup_role if invite is None else invite.role
        return await self.add_user(username, password, role=role, invite=invite)

    async def _invite(self, code: str | None) -> Invite | None:
        if self._settings.signup == "closed":
            raise Rejected("signup_closed", "this service does not take new accounts", status=403)
        if code is None:
            if self._settings.signup == "invite":
                raise Rejected("invite_needed", "this service takes new accounts by invite only", status=403)
            return None
        invite = await self._store.invite(_hash(code))
        if invite is None:
            raise Rejected("invite_invalid", "this invite is unknown, used or expired", status=403)
        return invite

    async def add_user(
        self, username: str, password: str, *, role: str, is_first: bool = False, invite: Invite | None = None
    ) -> User:
        """Make an account whatever the sign-up setting says."""
        now = datetime.now(UTC).isoformat()
        user = User(str(ULID()), username, await self._passwords.hash(password), role, now)
        if not await self._store.add_user(user, is_first=is_first, invite=invite):
            if await self._store.user_by_name(username) is not None:
                raise Rejected("username_taken", "this user name is taken", status=409)
            raise Rejected("signup_overtaken", "somebody else was faster; sign up again", status=409)
        log.info("user.registered", user_id=user.user_id, role=user.role)
        try:
            await self._bus.publish(UserRegistered(user_id=user.user_id))
        except Unavailable as error:
            # An account does not wait for the broker; only the statistics miss it.
            log.warning("event.dropped", event_name=UserRegistered.name, reason=error.reason)
        return user

    async def change_password(self, who: Identity, old: str, new: str) -> None:
        """Set another password and end all other sessions.

        Raises
        ------
        Rejected
            The old password is wrong (status 403).
        """
        user = await self._confirmed(who, old)
        changed = replace(user, password_hash=await self._passwords.hash(new))
        if not await self._store.replace_user(user, changed):
            raise Rejected("password_changed", "the password was changed at the same time", status=409)
        await self._store.delete_sessions(user.user_id, but=who.session_id)
        log.info("password.changed", user_id=user.user_id)

    async def delete_account(self, who: Identity, password: str) -> None:
        """Remove an account and all that is kept of it.

        Raises
        ------
        Rejected
            The password is wrong (status 403), or nobody would run the instance (status 409).
        """
        user = await self._confirmed(who, password)
        if user.role == "admin":
            raise Rejected("admin_needed", "the account that runs the instance cannot be deleted", status=409)
        if not await self._store.delete_user(user):
            raise Rejected("password_changed", "the password was changed at the same time", status=409)
        log.info("user.deleted", user_id=user.user_id)

    async def _confirmed(self, who: Identity, password: str) -> User:
        user = await self._store.user(who.user_id)
        is_right, _ = await self._passwords.verify(password, user.password_hash if user else None)
        if user is None or not is_right:
            log.warning("password.refused", user_id=who.user_id)
            raise Rejected("wrong_password", "the password is wrong", status=403)
        return user

    # --- Sessions ---

    async def log_in(self, username: str, password: str, agent: str) -> Tokens:
        """Return tokens for somebody who knows the password.

        Raises
        ------
        Rejected
            The name or the password is wrong; which of them is not told (status 401).
        """
        user = await self._store.user_by_name(username)
        is_right, better = await self._passwords.verify(password, user.password_hash if user else None)
        if user is not None and is_right:
            tokens = await self._sessions.begin(await self._improved(user, better), agent)
            if tokens is not None:
                log.info("user.logged_in", user_id=user.user_id)
                return tokens
        log.warning("login.refused")
        raise Rejected("wrong_credentials", "the user name or the password is wrong", status=401)

    async def _improved(self, user: User, better: str | None) -> User:
        if better is None:
            return user
        improved = replace(user, password_hash=better)
        if await self._store.replace_user(user, improved):
            return improved
        return await self._store.user(user.user_id) or user  # another login was first

    async def list_sessions(self, who: Identity) -> list[Session]:
        """Return the sessions of somebody that have not ended, newest first."""
        return [session async for session in self._store.sessions(who.user_id)]

    async def end_session(self, who: Identity, session_id: str) -> None:
        """End one session of somebody; one that has ended is no error."""
        await self._store.delete_session(who.user_id, session_id)

    async def end_all_sessions(self, who: Identity) -> None:
        """Log out everywhere, here too."""
        await self._store.delete_sessions(who.user_id)
        log.info("sessions.ended", user_id=who.user_id)

    # --- Invites ---

    async def create_invite(self, admin: Identity, role: str) -> tuple[Invite, str]:
        """Return an invite, and its code, which nobody can tell afterwards."""
        code = secrets.token_urlsafe(16)
        expires_at = int(time.time()) + self._settings.invite_s
        invite = Invite(_hash(code), role, admin.user_id, datetime.now(UTC).isoformat(), expires_at)
        await self._store.add_invite(invite)
        log.info("invite.created", by=admin.user_id, role=role)
        return invite, code

    async def list_invites(self) -> list[Invite]:
        """Return the invites that are still good."""
        return [invite async for invite in self._store.invites()]

    async def withdraw_invite(self, invite_id: str) -> None:
        """Make an invite worthless; one that is gone is no error."""
        await self._store.delete_invite(invite_id)


def _hash(code: str) -> str:
    # The code is 128 random bits, so a plain hash keeps it as safe as a slow one would.
    return sha256(code.encode()).hexdigest()
