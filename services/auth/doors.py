"""How often may somebody knock? Guards of the routes at which passwords and keys could be guessed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from services.auth.settings import AuthSettings
from shared.errors import TooMany
from shared.runtime.audit import Audit
from shared.runtime.limits import RateLimits


class Doors:
    """Slows down where wrong answers come from; who is refused for that is told apart in the audit trail."""

    def __init__(self, limits: RateLimits, audit: Audit, settings: AuthSettings) -> None:
        self._limits = limits
        self._audit = audit
        self._settings = settings

    async def sign_up(self, address: str) -> None:
        """Count a sign-up."""
        async with self._recorded("signup.limited", None, address):
            await self._limits.take("sign-up", address, per_minute=self._settings.signups_per_minute)

    def log_in(self, address: str) -> contextlib.AbstractAsyncContextManager[None]:
        """Count a login, unless it is right."""
        return self._guess("login", address, None, address)

    def exchange(self, address: str) -> contextlib.AbstractAsyncContextManager[None]:
        """Count the exchange of an API key, unless the key is right."""
        return self._guess("API key", address, None, address)

    def confirm(self, user_id: str, address: str) -> contextlib.AbstractAsyncContextManager[None]:
        """Count a password that somebody who is signed in enters again, unless it is right."""
        return self._guess("password", user_id, user_id, address)

    @contextlib.asynccontextmanager
    async def _guess(self, what: str, who: str, actor: str | None, address: str) -> AsyncIterator[None]:
        per_minute = self._settings.wrong_passwords_per_minute
        async with (
            self._recorded(f"{what.lower().replace(' ', '_')}.limited", actor, address),
            self._limits.take_if_rejected(what, who, per_minute=per_minute),
        ):
            yield

    @contextlib.asynccontextmanager
    async def _recorded(self, action: str, actor: str | None, address: str) -> AsyncIterator[None]:
        try:
            yield
        except TooMany:
            await self._audit.record(action, actor=actor, address=address, outcome="refused")
            raise
