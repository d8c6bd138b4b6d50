"""Which blobs belong to no package any more? They are listed, so that the bucket need not be searched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from services.streaming.package import package_prefix
from services.streaming.store import Leftover, PackageStore
from services.streaming.transfers import each
from shared.errors import Unavailable
from shared.storage.blobs import BlobStore

log = structlog.get_logger()

_LIST_PAGE = 1000


async def sweep_forever(sweep: Callable[[], Awaitable[None]], *, pause_s: float) -> None:
    """Sweep, and again after each pause."""
    while True:
        try:
            await sweep()
        except Unavailable as error:
            log.warning("sweep.deferred", reason=error.reason)
        await asyncio.sleep(pause_s)


class Sweeper:
    """Removes what attempts that died have left behind, and packages that were replaced or whose songs are gone."""

    def __init__(self, store: PackageStore, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs

    async def sweep(self, *, now: datetime | None = None) -> None:
        """Remove all that is due."""
        for leftover in await self._store.leftovers(now=now or datetime.now(UTC)):
            if await self._store.take(leftover):
                await self._remove(leftover)

    async def _remove(self, leftover: Leftover) -> None:
        package = await self._store.find(leftover.song_id)
        if package is None or package.package_id != leftover.package_id:
            prefix = package_prefix(leftover.song_id, leftover.package_id)
            while blobs := await self._blobs.list(prefix, limit=_LIST_PAGE):
                await each([blob.key for blob in blobs], self._blobs.delete)
            log.info("package.removed", song_id=leftover.song_id, package_id=leftover.package_id)
        await self._store.strike(leftover.song_id, leftover.package_id)
