"""Which songs has everybody forgotten? The last safety net, below redelivery and the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog

from services.ingest.service import IngestService
from services.ingest.settings import IngestSettings
from services.ingest.songs import Song, Status
from services.ingest.store import SongStore
from shared.errors import Unavailable
from shared.storage.tables import ConditionFailed

log = structlog.get_logger()


class Sweeper:
    """Looks for songs that do not move, and sets them going or gives them up."""

    def __init__(self, service: IngestService, store: SongStore, settings: IngestSettings) -> None:
        self._service = service
        self._store = store
        self._settings = settings

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(self._settings.sweep_pause_s)
            try:
                await self.sweep()
            except Unavailable as error:
                log.warning("sweep.deferred", reason=error.reason)

    async def sweep(self) -> None:
        """Look once."""
        now = datetime.now(UTC)
        stuck_since = now - timedelta(seconds=self._settings.stuck_after_s)
        abandoned_since = now - timedelta(seconds=self._settings.abandoned_after_s)
        # While songs move, others may just be waiting for their turn: announced again they would be decoded twice.
        is_busy = await self._store.has_entered(Status.READY, since=stuck_since)
        await self._each(Status.UPLOADED, abandoned_since if is_busy else stuck_since, self._service.resume)
        await self._each(Status.FINGERPRINTED, stuck_since, self._service.resume)
        await self._each(Status.AWAITING_UPLOAD, abandoned_since, self._service.abandon)
        await self._service.discard_strays(before=abandoned_since - timedelta(seconds=self._settings.upload_url_s))

    async def _each(self, status: Status, since: datetime, treat: Callable[[Song], Awaitable[None]]) -> None:
        for song in await self._store.stuck(status, before=since):
            try:
                await treat(song)
            except ConditionFailed:
                log.info("sweep.overtaken", song_id=song.song_id)
            except Unavailable as error:  # perhaps for this song alone: the others must not wait for it
                log.warning("sweep.deferred", song_id=song.song_id, reason=error.reason)
