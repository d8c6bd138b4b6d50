"""How does somebody get an equalized file of a song? It is asked for, made in a worker process, kept for a while."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from anyio import CapacityLimiter

from services.streaming.rendering import Rendered, RenderSpec, render
from services.streaming.renders import CONTENT_TYPES, Outlines, Place, Render, RenderStatus, RenderStore
from services.streaming.settings import StreamingSettings
from shared.audio.sandbox import SandboxLimits, run_isolated
from shared.audio.scratch import scratch_folder
from shared.audio.source import DecodeLimits
from shared.catalogue import Library, LibraryEntry
from shared.errors import Rejected, TooMany, Unavailable
from shared.events import RenderRequested, SongEvent
from shared.storage.blobs import BlobStore, SignedRequest

log = structlog.get_logger()

PROGRESS_PAUSE_S = 0.5
MAX_RENDERS_OF_A_SONG = 50
RETRY_AFTER_S = 10.0
PATIENCE_S = 3600.0
"""A render that has not ended so long after its deadline is made anew when somebody asks again."""


class Renderer:
    """Has renders made, makes them, and removes them."""

    def __init__(self, store: RenderStore, library: Library, blobs: BlobStore, settings: StreamingSettings) -> None:
        self._store = store
        self._library = library
        self._blobs = blobs
        self._settings = settings
        self._slots = CapacityLimiter(settings.render_workers)
        self._audio_limits = DecodeLimits(max_duration_s=settings.max_song_s)
        # The worker itself says which file is too large; this limit holds if it does not.
        file_bytes = settings.render_max_bytes + 2**26
        self._limits = SandboxLimits(settings.render_deadline_s, settings.render_memory_bytes, file_bytes)

    # --- What people ask for ---

    async def ask(self, user_id: str, song_id: str, spec: RenderSpec) -> Render:
        """Return the render that this makes of a song: the one that is there, or a new one.

        Raises
        ------
        Rejected
            They see no such song (status 404), or too much is being made for it, or for them (status 429).
        """
        await self._library.require(song_id, user_id)
        render_id = spec.render_id(song_id)
        while True:
            found = await self._store.find(song_id, render_id)
            if found is not None and not self._is_dead(found):
                if (renewed := await self._renewed(found)) is not None:
                    return renewed
                continue
            place = await self._free_place(user_id)
            if found is None:
                await self._make_room(song_id)
            fresh = Render(song_id, render_id, spec.meaning(), _now().isoformat(), self._end_of_life())
            if found is not None:
                fresh = dataclasses.replace(fresh, revision=found.revision + 1)
            if await self._store.ask(found, fresh, place, place_ends_at=_now() + self._patience()):
                log.info("render.requested", song_id=song_id, render_id=render_id, format=spec.format)
                return fresh

    async def _free_place(self, user_id: str) -> Place:
        places = await self._store.places(user_id)
        for number in range(self._settings.renders_per_user):
            place = places.get(number)
            if place is None:
                return Place(user_id, number)
            found = await self._store.find(place.song_id, place.render_id)
            if found is None or found.status.is_final or self._is_dead(found):
                return place
        reason = f"{self._settings.renders_per_user} files are being made for you already"
        raise TooMany(reason, retry_after_s=RETRY_AFTER_S, code="too_many_renders")

    async def _make_room(self, song_id: str) -> None:
        """Remove what was asked for longest ago, if a song has as many renders as it may have."""
        renders = [one async for one in self._store.of_song(song_id)]
        if len(renders) < MAX_RENDERS_OF_A_SONG:
            return
        ended = [one for one in renders if one.status.is_final]
        if not ended:
            reason = f"{MAX_RENDERS_OF_A_SONG} files of this song are being made already"
            raise TooMany(reason, retry_after_s=RETRY_AFTER_S, code="too_many_renders")
        await self._expire(min(ended, key=lambda one: one.expires_at))

    async def _renewed(self, found: Render) -> Render | None:
        """Return a render that stays for its whole life again, or None where it has changed meanwhile."""
        left_s = (datetime.fromisoformat(found.expires_at) - _now()).total_seconds()
        if found.status is not RenderStatus.READY or left_s > 0.95 * self._settings.render_life_s:
            return found
        return await self._store.change(found, expires_at=self._end_of_life())

    def _is_dead(self, found: Render) -> bool:
        if found.status is RenderStatus.FAILED:
            return True
        return not found.status.is_final and _now() - datetime.fromisoformat(found.asked_at) > self._patience()

    def _patience(self) -> timedelta:
        return timedelta(seconds=self._settings.render_deadline_s + PATIENCE_S)

    async def get(self, user_id: str, song_id: str, render_id: str) -> Render:
        """Return a render.

        Raises
        ------
        Rejected
            They see no such song (status 404), or it has no such render, or no longer (status 404).
        """
        await self._library.require(song_id, user_id)
        found = await self._store.find(song_id, render_id)
        if found is None or datetime.fromisoformat(found.expires_at) < _now():
            raise Rejected("render_not_found", f"there is no render {render_id} of this song", status=404)
        return found

    async def download(self, found: Render) -> SignedRequest | None:
        """Return the request that downloads a render that is ready."""
        song = await self._library.get(found.song_id)
        if found.status is not RenderStatus.READY or song is None:
            return None
        name = f"{song.artist} - {song.title}.{found.spec.format}"
        return await self._blobs.sign_get(found.blob_key, valid_s=self._settings.url_s, download_name=name)

    async def outlines(self, found: Render) -> Outlines:
        """Return how the song looked before and after it was rendered.

        Raises
        ------
        Rejected
            It is not rendered yet (status 404).
        """
        outlines = await self._store.outlines(found.song_id, found.render_id)
        if outlines is None:
            raise Rejected("render_not_ready", "this render is not ready yet", status=404)
        return outlines

    def _end_of_life(self) -> str:
        return (_now() + timedelta(seconds=self._settings.render_life_s)).isoformat()

    # --- Making ---

    async def on_render_requested(self, event: RenderRequested) -> None:
        """Make a render, unless it is made; after a crash, from the beginning."""
        found = await self._store.find(event.song_id, event.render_id)
        if found is None or found.status.is_final:
            return
        song = await self._library.get(event.song_id)
        if song is None:
            await self._remove(found)
            return
        try:
            await self._make(song, found)
        except Rejected as error:
            log.warning("render.failed", song_id=song.song_id, render_id=found.render_id, code=error.code)
            await self._settle(found, status=RenderStatus.FAILED, code=error.code, reason=error.reason)

    async def _make(self, song: LibraryEntry, asked: Render) -> None:
        async with scratch_folder() as folder:
            await self._blobs.download(song.blob_key, folder / "song")
            rendered = await self._run(song, asked, folder)
            target = folder / "render"
            await self._store.put_outlines(asked, Outlines(rendered.before, rendered.after))
            await self._blobs.put(asked.blob_key, target, content_type=CONTENT_TYPES[asked.spec.format])
            size_bytes = target.stat().st_size
        await self._settle(
            asked,
            status=RenderStatus.READY,
            progress=1.0,
            sample_rate_hz=rendered.sample_rate_hz,
            duration_s=rendered.duration_s,
            headroom_db=rendered.headroom_db,
            size_bytes=size_bytes,
            expires_at=self._end_of_life(),
        )
        log.info("render.made", song_id=song.song_id, render_id=asked.render_id, size_bytes=size_bytes)

    async def _run(self, song: LibraryEntry, asked: Render, folder: Path) -> Rendered:
        progress = folder / "progress"
        watching = asyncio.create_task(self._watch(asked, progress, song.duration_s))
        try:
            return await run_isolated(
                render,
                folder / "song",
                folder / "render",
                asked.spec,
                self._audio_limits,
                self._settings.render_max_bytes,
                progress,
                limits=self._limits,
                limiter=self._slots,
            )
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _watch(self, asked: Render, progress: Path, duration_s: float) -> None:
        """Keep what the worker tells of its progress."""
        known: Render | None = asked
        while True:
            await asyncio.sleep(PROGRESS_PAUSE_S)
            told = await asyncio.to_thread(_read, progress)
            try:
                if known is None or known.status.is_final:
                    known = await self._store.find(asked.song_id, asked.render_id)
                elif told is not None:
                    share = min(0.99, round(told / max(duration_s, 0.001), 2))
                    if (share, RenderStatus.RENDERING) != (known.progress, known.status):
                        known = await self._store.change(known, status=RenderStatus.RENDERING, progress=share)
            except Unavailable as error:  # the work goes on, unseen for a while
                log.warning("render.unseen", render_id=asked.render_id, reason=error.reason)

    async def _settle(self, asked: Render, **changes: object) -> None:
        """Note how a render ended, whatever was noted of its progress meanwhile."""
        while (known := await self._store.find(asked.song_id, asked.render_id)) is not None:
            if known.status is RenderStatus.READY or await self._store.change(known, **changes) is not None:
                break
        if known is None or await self._library.get(asked.song_id) is None:  # the song was deleted meanwhile
            await self._remove(asked)

    # --- Removing ---

    async def on_song_deleted(self, event: SongEvent) -> None:
        """Remove the renders of a song that is gone."""
        async for found in self._store.of_song(event.song_id):
            await self._remove(found)

    async def sweep(self, *, now: datetime | None = None) -> None:
        """Remove renders whose time is over."""
        for found in await self._store.expired(now=now or _now()):
            await self._expire(found)

    async def _expire(self, found: Render) -> None:
        # Nobody gets a link to it any more; whoever asks from now on has it made anew.
        expired = await self._store.change(found, status=RenderStatus.FAILED, code="expired", reason="it expired")
        if expired is not None:
            await self._blobs.delete(expired.blob_key)
            await self._store.delete_unchanged(expired)
            log.info("render.removed", song_id=found.song_id, render_id=found.render_id)

    async def _remove(self, found: Render) -> None:
        # The item last: while it is there, whatever a crash leaves behind is found again.
        await self._blobs.delete(found.blob_key)
        await self._store.delete(found.song_id, found.render_id)


def _read(progress: Path) -> float | None:
    try:
        return float(progress.read_text())
    except (OSError, ValueError):  # not there yet, or being written
        return None


def _now() -> datetime:
    return datetime.now(UTC)
