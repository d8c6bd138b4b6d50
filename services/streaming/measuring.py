"""How does a song that nobody has measured yet get its measurement? It is asked for, and made once."""

from __future__ import annotations

import structlog
from anyio import CapacityLimiter

from services.streaming.measurements import Measurement, MeasurementStore, measure
from services.streaming.requests import Requests
from services.streaming.settings import StreamingSettings
from shared.audio.sandbox import SandboxLimits, run_isolated
from shared.audio.scratch import scratch_folder
from shared.audio.source import DecodeLimits
from shared.catalogue import Library
from shared.errors import Rejected
from shared.events import SongEvent, SongMeasurementRequested
from shared.storage.blobs import BlobStore

log = structlog.get_logger()

ASKED_AGAIN_AFTER_S = 600


class MeasurementService:
    """Returns measurements, and has them made. New songs are measured while they are packaged."""

    def __init__(
        self,
        store: MeasurementStore,
        library: Library,
        blobs: BlobStore,
        requests: Requests,
        settings: StreamingSettings,
    ) -> None:
        self._store = store
        self._library = library
        self._blobs = blobs
        self._requests = requests
        self._slot = CapacityLimiter(1)
        self._audio_limits = DecodeLimits(max_duration_s=settings.max_song_s)
        self._limits = SandboxLimits(settings.measure_deadline_s, settings.package_memory_bytes)

    async def of(self, user_id: str, song_id: str) -> Measurement | None:
        """Return what is known of a song, or have it measured and return None.

        Raises
        ------
        Rejected
            They see no such song (status 404), or it can't be measured (status 404).
        Unavailable
            It could not be asked for.
        """
        song = await self._library.require(song_id, user_id)
        found = await self._store.get(song_id)
        if isinstance(found, Rejected):
            raise found
        if found is None:
            event = SongMeasurementRequested(song_id=song_id, revision=song.revision)
            await self._requests.ask(event, again_after_s=ASKED_AGAIN_AFTER_S)
        return found

    async def on_measurement_requested(self, event: SongMeasurementRequested) -> None:
        """Measure a song that is not measured."""
        song = await self._library.get(event.song_id)
        if song is None or await self._store.get(event.song_id) is not None:
            return
        async with scratch_folder() as folder:
            path = folder / "song"
            try:
                await self._blobs.download(song.blob_key, path)
                measured = await run_isolated(
                    measure, path, self._audio_limits, limits=self._limits, limiter=self._slot
                )
            except Rejected as error:
                if error.code != "blob_not_found":  # which means deleted meanwhile
                    await self._store.put_failure(song.song_id, error)
                log.warning("song.not_measured", song_id=song.song_id, code=error.code, reason=error.reason)
                return
        await self._store.put(song.song_id, measured)
        log.info("song.measured", song_id=song.song_id)
        if await self._library.get(song.song_id) is None:  # deleted meanwhile, so this is left over
            await self._store.delete(song.song_id)

    async def on_song_deleted(self, event: SongEvent) -> None:
        """Forget what was measured of a song that is gone."""
        await self._store.delete(event.song_id)
