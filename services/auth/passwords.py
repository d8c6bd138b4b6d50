"""Is this the right password? Argon2id, computed beside the event loop and never many at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from shared.errors import Rejected, Unavailable

# RFC 9106 allows far more memory; 19 MiB, two passes, one lane is the OWASP floor and takes about 0.15 s of one core.
MEMORY_KIB = 19 * 1024
PASSES = 2
HASHES_AT_ONCE = 2
MOST_WAITING = 100
"""So many take some seconds; who comes then would wait longer than clients do."""
BCRYPT_BYTES = 72
"""Bcrypt reads no more of a password. Older systems cut what is longer; here it is refused, and says so."""


class Passwords:
    """Hashes and verifies passwords; hashes of bcrypt, which an older system has left, are verified too."""

    def __init__(self) -> None:
        argon2 = Argon2Hasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)
        self._hash = PasswordHash((argon2, BcryptHasher()))
        self._slots = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0
        self._nobody: str | None = None

    @contextlib.asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._waiting >= MOST_WAITING:
            raise Unavailable("too many passwords are waiting to be looked at")
        self._waiting += 1
        try:
            async with self._slots:
                yield
        finally:
            self._waiting -= 1

    async def hash(self, password: str) -> str:
        """Return a salted hash to store.

        Raises
        ------
        Unavailable
            `MOST_WAITING` passwords are there already; so in `verify`.
        """
        async with self._slot():
            return await asyncio.to_thread(self._hash.hash, password)

    async def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Compare with a stored hash; without one, take as long and answer no, so that nobody can probe for names.

        Returns
        -------
        is_right : bool
        better : str or None
            A hash to store instead, where the stored one was made in another way than today's.

        Raises
        ------
        Rejected
            The stored hash is one of bcrypt, and the password is longer than bcrypt reads (status 422).
        """
        if self._nobody is None:
            self._nobody = await self.hash("nobody has this password")
        if stored is not None and BcryptHasher.identify(stored) and len(password.encode()) > BCRYPT_BYTES:
            reason = (
                f"this account comes from an older system, which read only the first {BCRYPT_BYTES} bytes of a "
                "password: log in with these, and change the password then"
            )
            raise Rejected("password_too_long", reason)
        async with self._slot():
            is_right, better = await asyncio.to_thread(self._hash.verify_and_update, password, stored or self._nobody)
        return (is_right, better) if stored is not None else (False, None)
