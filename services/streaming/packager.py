"""How does a song get its package, and lose it?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from anyio import CapacityLimiter
from prometheus_client import Counter

from services.streaming.encoder import encode
from services.streaming.measurements import MeasurementStore
from services.streaming.package import CONTENT_TYPE, DESCRIPTION, Package, package_of
from services.streaming.requests import Requests
from services.streaming.settings import StreamingSettings
from services.streaming.store import Failure, KeptPackage, PackageStore
from services.streaming.sweeper import Sweeper
from services.streaming.transfers import each
from shared.audio.sandbox import SandboxLimits, run_isolated
from shared.audio.scratch import scratch_folder
from shared.audio.source import DecodeLimits
from shared.catalogue import Library
from shared.errors import Rejected, Unavailable
from shared.events import SongEvent, SongPackaged, SongPackageRequested, SongReady, derived_id
from shared.storage.blobs import BlobStore
from shared.storage.tables import ConditionFailed

log = structlog.get_logger()

PACKAGINGS = Counter("tunescout_packagings_total", "Packagings that ended: made, or the code of why not.", ["outcome"])


class Packager:
    """Makes packages in a worker process, and keeps them.

    A song that cannot be packaged plays as the file that was uploaded, so a failure is noted and is nobody's error.
    """

    def __init__(
        self,
        store: PackageStore,
        measurements: MeasurementStore,
        library: Library,
        blobs: BlobStore,
        sweeper: Sweeper,
        requests: Requests,
        settings: StreamingSettings,
    ) -> None:
        self._store = store
        self._measurements = measurements
        self._library = library
        self._blobs = blobs
        self._sweeper = sweeper
        self._requests = requests
        self._settings = settings
        self._slots = CapacityLimiter(settings.package_workers)
        self._audio_limits = DecodeLimits(max_duration_s=settings.max_song_s)
        self._limits = SandboxLimits(settings.package_deadline_s, settings.package_memory_bytes)

    async def on_song_ready(self, event: SongReady) -> None:
        """Package a song that has no package, if new songs are to have one."""
        if self._settings.package_new_songs and await self._store.find(event.song_id) is None:
            await self._package(event)
        await self._settle(event)

    async def on_package_requested(self, event: SongPackageRequested) -> None:
        """Package a song anew, whether it has a package or not."""
        await self._package(event)
        await self._settle(event)
        await self._requests.done(event)

    async def on_song_deleted(self, event: SongEvent) -> None:
        """Take its package from a song that is gone."""
        await self._store.forget_failure(event.song_id)
        package = await self._store.find(event.song_id)
        if package is not None:
            await self._give_up(package)

    async def _package(self, cause: SongEvent) -> None:
        song = await self._library.get(cause.song_id)
        if song is None:
            return  # deleted meanwhile
        async with scratch_folder() as scratch:
            source, folder = scratch / "song", scratch / "package"
            try:
                await self._blobs.download(song.blob_key, source)
                encoding = await run_isolated(
                    encode, source, folder, self._audio_limits, limits=self._limits, limiter=self._slots
                )
            except Rejected as error:
                if error.code != "blob_not_found":  # which means deleted meanwhile
                    await self._store.note_failure(song.song_id, Failure(error.code, error.reason))
                PACKAGINGS.labels(error.code).inc()
                log.warning("song.not_packaged", song_id=song.song_id, code=error.code, reason=error.reason)
                return
            await self._measurements.put(song.song_id, encoding.measurement)
            package = package_of(song.song_id, encoding.sample_rate_hz, encoding.segment_samples, encoding.renditions)
            # Ends long before what is uploaded counts as left behind.
            async with asyncio.timeout(self._settings.package_deadline_s):
                await self._upload(package, folder)
                await self._keep(package, cause)
            PACKAGINGS.labels("made").inc()

    async def _settle(self, cause: SongEvent) -> None:
        """Take its package from a song that was deleted meanwhile; when that was heard, there may have been none."""
        if await self._library.get(cause.song_id) is None:
            await self._measurements.delete(cause.song_id)
            await self.on_song_deleted(cause)

    async def _upload(self, package: Package, folder: Path) -> None:
        patience_s = 2 * self._settings.package_deadline_s
        await self._store.list_leftover(package.song_id, package.package_id, in_s=patience_s)

        async def put(name: str) -> None:
            await self._blobs.put(package.prefix + name, folder / name, content_type=CONTENT_TYPE)

        await each(package.files(), put)
        description = package.model_dump_json().encode()
        await self._blobs.put(package.prefix + DESCRIPTION, description, content_type="application/json")

    async def _keep(self, package: Package, cause: SongEvent) -> None:
        before = await self._store.find(package.song_id)
        if before is not None and before.package_id == package.package_id:
            await self._store.strike(package.song_id, package.package_id)
            return
        event = SongPackaged(
            id=derived_id(cause, SongPackaged.name),
            song_id=package.song_id,
            revision=cause.revision,
            package_id=package.package_id,
            duration_s=package.duration_s,
            bit_rates_bps=tuple(rendition.bit_rate_bps for rendition in package.renditions),
        )
        # Those who play the replaced one may go on to the end of their grants.
        stays_s = self._settings.grant_s + package.duration_s
        try:
            await self._store.keep(package, before, event, replaced_stays_s=stays_s)
        except ConditionFailed as error:
            # Listed again, in case that a package of the same bytes was kept and removed meanwhile.
            await self._store.list_leftover(package.song_id, package.package_id, in_s=0.0)
            raise Unavailable("the song is being packaged by somebody else") from error
        log.info("song.packaged", song_id=package.song_id, package_id=package.package_id)

    async def _give_up(self, package: KeptPackage) -> None:
        try:
            await self._store.give_up(package)
        except ConditionFailed as error:
            raise Unavailable("the package is being replaced") from error
        await self._sweeper.sweep()
