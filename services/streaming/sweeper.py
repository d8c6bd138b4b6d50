"""Which blobs belong to no package any more? They are listed, so that the bucket need not be searched."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from services.streaming.package import package_prefix
from services.streaming.settings import StreamingSettings
from services.streaming.store import Leftover, PackageStore
from services.streaming.transfers import each
from shared.errors import Unavailable
from shared.storage.blobs import BlobStore

log = structlog.get_logger()

_LIST_PAGE = 1000


class Sweeper:
    """Removes what attempts that died have left behind, and packages that were replaced or whose songs are gone."""

    def __init__(self, store: PackageStore, blobs: BlobStore, settings: StreamingSettings) -> None:
        self._store = store
        self._blobs = blobs
        self._settings = settings

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            try:
                await self.sweep()
            except Unavailable as error:
                log.warning("sweep.deferred", reason=error.reason)
            await asyncio.sleep(self._settings.sweep_pause_s)

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
