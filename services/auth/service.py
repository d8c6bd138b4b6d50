"""Who may have an account, and what does somebody get who knows the password?"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

import structlog
from ulid import ULID

from services.auth.accounts import Accounts
from services.auth.passwords import Passwords
from services.auth.sessions import Sessions, Tokens
from services.auth.settings import AuthSettings
from services.auth.store import ADMIN, AccountStore, Invite, Session, User
from shared.errors import Rejected, Unavailable
from shared.events import UserRegistered
from shared.messaging.bus import EventBus
from shared.runtime.audit import Audit
from shared.runtime.identity import Identity

log = structlog.get_logger()


class AuthService:
    """Sign-up, invites, login, change of password, the end of sessions and of accounts."""

    def __init__(
        self,
        store: AccountStore,
        accounts: Accounts,
        passwords: Passwords,
        sessions: Sessions,
        bus: EventBus,
        audit: Audit,
        settings: AuthSettings,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._passwords = passwords
        self._sessions = sessions
        self._bus = bus
        self._audit = audit
        self._settings = settings

    # --- Accounts ---

    async def signup(self) -> Literal["open", "invite", "closed"]:
        """Tell who may make an account: whom the settings let in, and always the first one."""
        return self._settings.signup if await self._store.has_users() else "open"

    async def sign_up(self, username: str, password: str, invite_code: str | None, address: str) -> User:
        """Make an account; the first one of an instance runs it.

        Raises
        ------
        Rejected
            The name is taken, sign-up is closed, or needs an invite that is still good.
        """
        try:
            user, invite = await self._sign_up(username, password, invite_code)
        except Rejected:
            await self._audit.record("signup.refused", address=address, outcome="refused")
            raise
        if invite is not None:
            await self._audit.record("invite.used", actor=user.user_id, subject=invite.code_hash, address=address)
        await self._audit.record(
            "account.created", actor=user.user_id, subject=user.user_id, address=address, detail=user.role
        )
        return user

    async def _sign_up(self, username: str, password: str, invite_code: str | None) -> tuple[User, Invite | None]:
        if not await self._store.has_users():
            try:
                return await self.add_user(username, password, role=ADMIN, is_first=True), None
            except Rejected as refused:
                if refused.code != "signup_overtaken":
                    raise
        invite = await self._invite(invite_code)
        role = self._settings.signup_role if invite is None else invite.role
        return await self.add_user(username, password, role=role, invite=invite), invite

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
        user = User(str(ULID()), username, await self._passwords.hash(password), role, now, revision=1)
        if not await self._store.add_user(user, is_first=is_first, invite=invite):
            if await self._store.user_by_name(username) is not None:
                raise Rejected("username_taken", "this user name is taken", status=409)
            raise Rejected("signup_overtaken", "somebody else was faster; sign up again", status=409)
        try:
            await self._bus.publish(UserRegistered(user_id=user.user_id))
        except Unavailable as error:
            # An account does not wait for the broker; only the statistics miss it.
            log.warning("event.dropped", event_name=UserRegistered.name, reason=error.reason)
        return user

    async def change_password(self, who: Identity, old: str, new: str, address: str) -> None:
        """Set another password and end all other sessions.

        Raises
        ------
        Rejected
            The old password is wrong (status 403).
        """
        user = await self._confirmed(who, old, address)
        if not await self._store.change_password(user, await self._passwords.hash(new)):
            raise Rejected("account_changed", "the account was changed at the same time; try again", status=409)
        await self._store.delete_sessions(user.user_id, but=who.session_id)
        await self._audit.record("password.changed", actor=who.user_id, subject=who.user_id, address=address)

    async def delete_account(self, who: Identity, password: str, address: str) -> None:
        """Remove an account and all that is kept of it.

        Raises
        ------
        Rejected
            The password is wrong (status 403), or nobody would run the instance (status 409).
        """
        await self._confirmed(who, password, address)
        await self._accounts.delete(who, who.user_id, address)

    async def _confirmed(self, who: Identity, password: str, address: str) -> User:
        try:
            return await self._require(await self._store.user(who.user_id), password)
        except Rejected:
            await self._audit.record(
                "password.refused", actor=who.user_id, subject=who.user_id, address=address, outcome="refused"
            )
            raise

    async def _require(self, user: User | None, password: str) -> User:
        is_right, _ = await self._passwords.verify(password, user.password_hash if user else None)
        if user is None or not is_right:
            raise Rejected("wrong_password", "the password is wrong", status=403)
        return user

    # --- Sessions ---

    async def log_in(self, username: str, password: str, agent: str, address: str) -> Tokens:
        """Return tokens for somebody who knows the password.

        Raises
        ------
        Rejected
            The name or the password is wrong; which of them is not told (status 401). Or the password is longer than
            the hash of an older system can tell (status 422).
        """
        user = await self._store.user_by_name(username)
        subject = None if user is None else user.user_id
        try:
            tokens = await self._begin(user, password, agent)
        except Rejected:
            await self._audit.record("login.refused", subject=subject, address=address, outcome="refused")
            raise
        await self._audit.record("login.allowed", actor=subject, subject=tokens.session_id, address=address)
        return tokens

    async def _begin(self, user: User | None, password: str, agent: str) -> Tokens:
        is_right, better = await self._passwords.verify(password, user.password_hash if user else None)
        if user is not None and is_right and better is not None:
            await self._store.change_password(user, better)  # unless another login was first, or another password
            user = await self._store.user(user.user_id)
            is_right, _ = await self._passwords.verify(password, user.password_hash if user else None)
        if user is not None and is_right and (tokens := await self._sessions.begin(user, agent)) is not None:
            return tokens
        raise Rejected("wrong_credentials", "the user name or the password is wrong", status=401)

    async def list_sessions(self, who: Identity) -> list[Session]:
        """Return the sessions of somebody that have not ended, newest first."""
        return [session async for session in self._store.sessions(who.user_id)]

    async def end_session(self, who: Identity, session_id: str, address: str) -> None:
        """End one session of somebody; one that has ended is no error."""
        if await self._store.session(who.user_id, session_id) is not None:
            await self._store.delete_session(who.user_id, session_id)
            await self._audit.record("session.ended", actor=who.user_id, subject=session_id, address=address)

    async def end_all_sessions(self, who: Identity, address: str) -> None:
        """Log out everywhere, here too."""
        await self._store.delete_sessions(who.user_id)
        await self._audit.record("sessions.ended", actor=who.user_id, subject=who.user_id, address=address)

    # --- Invites ---

    async def create_invite(self, admin: Identity, role: str, address: str) -> tuple[Invite, str]:
        """Return an invite, and its code, which nobody can tell afterwards."""
        code = secrets.token_urlsafe(16)
        expires_at = int(time.time()) + self._settings.invite_s
        invite = Invite(_hash(code), role, admin.user_id, datetime.now(UTC).isoformat(), expires_at)
        await self._store.add_invite(invite)
        await self._audit.record(
            "invite.created", actor=admin.user_id, subject=invite.code_hash, address=address, detail=role
        )
        return invite, code

    async def list_invites(self) -> list[Invite]:
        """Return the invites that are still good."""
        return [invite async for invite in self._store.invites()]

    async def withdraw_invite(self, admin: Identity, invite_id: str, address: str) -> None:
        """Make an invite worthless; one that is gone is no error."""
        if await self._store.invite(invite_id) is not None:
            await self._store.delete_invite(invite_id)
            await self._audit.record("invite.withdrawn", actor=admin.user_id, subject=invite_id, address=address)


def _hash(code: str) -> str:
    # The code is 128 random bits, so a plain hash keeps it as safe as a slow one would.
    return sha256(code.encode()).hexdigest()
