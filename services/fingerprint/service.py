"""What is done with a song's bytes, and with a clip's?"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from anyio import CapacityLimiter

from services.fingerprint.extractor import extract_clip, extract_song, warm_worker
from services.fingerprint.settings import FingerprintSettings
from shared.audio.decode import DecodeLimits
from shared.audio.sandbox import SandboxLimits, run_isolated, warm_up
from shared.audio.scratch import scratch_folder
from shared.errors import Rejected
from shared.events import (
    ClipHeard,
    QueryFingerprinted,
    QuerySubmitted,
    QuestionRefused,
    SongEvent,
    SongFingerprinted,
    SongFingerprintFailed,
    SongUploaded,
    derived_id,
)
from shared.messaging.bus import EventBus
from shared.storage.blobs import BlobStore
from shared.storage.fingerprints import FingerprintStore

log = structlog.get_logger()

KEEP_WARM_PAUSE_S = 120.0


class FingerprintService:
    """Turns audio into fingerprints, in worker processes."""

    def __init__(self, store: FingerprintStore, blobs: BlobStore, bus: EventBus, settings: FingerprintSettings) -> None:
        self._store = store
        self._blobs = blobs
        self._bus = bus
        self._settings = settings
        # Clips have workers of their own: a bulk import must not make anybody wait for an answer.
        self._song_slots = CapacityLimiter(settings.song_workers)
        self._clip_slots = CapacityLimiter(settings.clip_workers)
        self._audio_limits = DecodeLimits(max_duration_s=settings.max_song_s)
        self._song_limits = SandboxLimits(settings.song_deadline_s, settings.memory_bytes)
        self._clip_limits = SandboxLimits(settings.clip_deadline_s, settings.memory_bytes)

    async def warm_up(self) -> None:
        """Start the workers before the first job comes."""
        workers = self._settings.song_workers + self._settings.clip_workers
        # The first one alone, so that it compiles for all: together each would compile everything by itself.
        await warm_up(1, warm_worker, limits=self._song_limits)
        await warm_up(workers, warm_worker, limits=self._song_limits)

    async def keep_warm(self) -> None:
        """Use the workers for ever: they end after some idle minutes, and the next clip would wait for a new one."""
        while True:
            await asyncio.sleep(KEEP_WARM_PAUSE_S)
            await self.warm_up()

    async def on_song_uploaded(self, event: SongUploaded) -> None:
        """Store the fingerprint of a song, then tell; or tell why there is none."""
        async with scratch_folder() as folder:
            path = folder / "song"
            try:
                await self._fetch_song(event, path)
                fact: SongFingerprinted | SongFingerprintFailed = await self._fingerprint(event, path)
            except Rejected as error:
                if error.code == "blob_not_found":
                    log.warning("song.vanished", song_id=event.song_id)  # deleted, or ended, meanwhile
                    return
                fact = SongFingerprintFailed(
                    id=derived_id(event, SongFingerprintFailed.name),
                    song_id=event.song_id,
                    revision=event.revision,
                    code=error.code,
                    reason=error.reason,
                )
        if await self._blobs.head(event.blob_key) is None:  # ended meanwhile, so what was just stored is left over
            await self.on_song_ended(event)
        await self._bus.publish(fact)

    async def _fetch_song(self, event: SongUploaded, path: Path) -> None:
        await self._blobs.download(event.blob_key, path)
        if await asyncio.to_thread(_sha256, path) != event.content_sha256:
            # The song would claim bytes that it does not consist of.
            raise Rejected("content_changed", "the file was replaced by another one after the upload was completed")

    async def _fingerprint(self, event: SongUploaded, path: Path) -> SongFingerprinted:
        decoder = self._settings.decoder
        extract = await run_isolated(
            extract_song, path, self._audio_limits, decoder, limits=self._song_limits, limiter=self._song_slots
        )
        cover_key = None
        if extract.cover is not None:
            cover_key = _cover_key(event.song_id)
            await self._blobs.put(cover_key, extract.cover.data, content_type=extract.cover.content_type)
        await self._store.put(event.song_id, extract.fingerprint)
        log.info("song.heard", song_id=event.song_id, peaks=len(extract.fingerprint.frames))
        return SongFingerprinted(
            id=derived_id(event, SongFingerprinted.name),
            song_id=event.song_id,
            revision=event.revision,
            algorithm=extract.fingerprint.algorithm,
            peak_count=len(extract.fingerprint.frames),
            duration_s=extract.fingerprint.duration_s,
            audio_format=extract.audio_format,
            tags=extract.tags,
            cover_key=cover_key,
        )

    async def on_song_ended(self, event: SongEvent) -> None:
        """Remove the fingerprint and the cover of an upload that did not become a song, or is none any more."""
        await self._store.delete(event.song_id)
        await self._blobs.delete(_cover_key(event.song_id))

    async def on_query_submitted(self, event: QuerySubmitted) -> None:
        """Ask every shard about a clip, or tell why it can't be asked."""
        remaining_s = (event.deadline - datetime.now(UTC)).total_seconds()
        if remaining_s <= 0:
            return  # nobody waits for the answer any more
        try:
            async with asyncio.timeout(remaining_s):
                question, heard = await self._hear(event)
        except TimeoutError:
            return
        except Rejected as error:
            refusal = QuestionRefused(query_id=event.query_id, code=error.code, reason=error.reason)
            await self._bus.reply(event.reply_to, refusal)
            return
        await self._bus.reply(event.reply_to, heard)
        await self._bus.publish(question)

    async def _hear(self, event: QuerySubmitted) -> tuple[QueryFingerprinted, ClipHeard]:
        async with scratch_folder() as folder:
            path = folder / "clip"
            await self._fetch(event, path)
            arguments: tuple[Any, ...] = (path, self._audio_limits, self._settings.decoder, self._settings.max_clip_s)
            fingerprint = await run_isolated(
                extract_clip, *arguments, limits=self._clip_limits, limiter=self._clip_slots
            )
        question = QueryFingerprinted(
            id=derived_id(event, QueryFingerprinted.name),
            query_id=event.query_id,
            deadline=event.deadline,
            reply_to=event.reply_to,
            fingerprint=fingerprint.pack(),
            explain=event.explain,
        )
        return question, ClipHeard(query_id=event.query_id, duration_ms=round(fingerprint.duration_s * 1000))

    async def _fetch(self, event: QuerySubmitted, path: Path) -> None:
        if event.clip_key is not None:
            await self._blobs.download(event.clip_key, path)
        else:
            await asyncio.to_thread(path.write_bytes, event.clip or b"")


def _cover_key(song_id: str) -> str:
    return f"covers/{song_id}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
