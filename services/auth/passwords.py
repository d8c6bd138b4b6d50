"""Is this the right password? Argon2id, computed beside the event loop and never many at once."""

from __future__ import annotations

import asyncio

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

# RFC 9106 allows far more memory; 19 MiB, two passes, one lane is the OWASP floor and takes about 0.15 s of one core.
MEMORY_KIB = 19 * 1024
PASSES = 2
HASHES_AT_ONCE = 2


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self) -> None:
        self._hash = PasswordHash((Argon2Hasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1),))
        self._slots = asyncio.Semaphore(HASHES_AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Return a salted hash to store."""
        async with self._slots:
            return await asyncio.to_thread(self._hash.hash, password)

    async def verify(self, password: str, stored: str | None) -> bool:
        """Compare with a stored hash; without one, take as long and answer no, so that nobody can probe for names."""
        if self._nobody is None:
            self._nobody = await self.hash("nobody has this password")
        async with self._slots:
            return await asyncio.to_thread(self._hash.verify, password, stored or self._nobody) and stored is not None
