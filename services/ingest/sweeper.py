"""Which songs has everybody forgotten? The last safety net, below redelivery and the outbox."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from services.ingest.service import IngestService
from services.ingest.settings import IngestSettings
from services.ingest.songs import Status
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
        for status in (Status.UPLOADED, Status.FINGERPRINTED):
            for song in await self._store.stuck(status, before=stuck_since):
                try:
                    await self._service.resume(song)
                except ConditionFailed:
                    log.info("sweep.overtaken", song_id=song.song_id)
        abandoned_since = now - timedelta(seconds=self._settings.abandoned_after_s)
        for song in await self._store.stuck(Status.AWAITING_UPLOAD, before=abandoned_since):
            try:
                await self._service.abandon(song)
            except ConditionFailed:
                log.info("sweep.overtaken", song_id=song.song_id)
