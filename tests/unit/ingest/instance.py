"""Ingest as its clients and its bus see it, on a real table and folder; a shard that says what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request
from ulid import ULID

from services.ingest.browsing import Browsing
from services.ingest.browsing_routes import browsing_routes
from services.ingest.decision import Decision
from services.ingest.routes import routes
from services.ingest.service import IngestService
from services.ingest.settings import IngestSettings
from services.ingest.songs import Song, Status
from services.ingest.store import SongStore
from services.ingest.sweeper import Sweeper
from shared.catalogue import SONGS
from shared.events import (
    AudioFormat,
    Comparison,
    ShardComparisons,
    ShardRef,
    SongComparisonRequested,
    SongFingerprinted,
    Tags,
)
from shared.messaging.bus import Subscription
from shared.messaging.inbox import ReplyInbox
from shared.messaging.memory import MemoryBus
from shared.messaging.outbox import Outbox
from shared.runtime.audit import Audit
from shared.runtime.identity import Identity, signed_in
from shared.runtime.limits import LIMITS, RateLimits
from shared.runtime.problems import install_problem_handlers
from shared.runtime.streams import Streams
from shared.storage.files import FolderStore
from shared.storage.sqlite import SqliteTable
from shared.storage.tables import Table

FORMAT = AudioFormat(container="flac", codec="flac", sample_rate_hz=44_100, channels=2)


def person(user_id: str, role: str = "contributor") -> Identity:
    return Identity(user_id, user_id, role)


@dataclass(frozen=True)
class Ingest:
    table: Table
    store: SongStore
    service: IngestService
    sweeper: Sweeper
    blobs: FolderStore
    bus: MemoryBus
    app: FastAPI
    sounds_like: dict[str, str] = field(default_factory=dict)
    """Which known song the shard will call the same recording as a new one, by their ids."""
    unheard: set[str] = field(default_factory=set)
    """New songs about which the shard does not answer."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        folder: Path,
        settings: IngestSettings | None = None,
        *,
        table: Table | None = None,
        blobs: FolderStore | None = None,
        comparison_deadline_s: float = 5.0,
    ) -> AsyncIterator[Ingest]:
        settings = settings or IngestSettings()
        table = table or SqliteTable(folder / "tables.sqlite", SONGS)
        limits = SqliteTable(folder / "tables.sqlite", LIMITS)
        blobs = blobs or FolderStore(folder, base_url="http://test", secret=bytes(16))
        await blobs.open()
        bus = MemoryBus(None)
        await bus.connect()
        inbox = ReplyInbox(bus, "ingest")
        await inbox.open()
        store = SongStore(table, Outbox(table, SONGS.indexes[0], bus))
        service = IngestService(store, blobs, Decision(store, bus, inbox, deadline_s=comparison_deadline_s), settings)
        app = FastAPI()
        app.state.streams = Streams()
        install_problem_handlers(app)
        app.include_router(routes(service, blobs, RateLimits(limits), settings, Audit(bus)))
        app.include_router(browsing_routes(Browsing(table)))
        app.dependency_overrides[signed_in] = _who_the_headers_say
        ingest = cls(table, store, service, Sweeper(service, store, settings), blobs, bus, app)
        await bus.subscribe(
            Subscription(SongComparisonRequested, ingest._compare, queue="test.song-comparison-requested", ttl_s=30)
        )
        yield ingest
        await bus.close()
        await blobs.close()
        await table.close()
        await limits.close()

    async def _compare(self, asked: SongComparisonRequested) -> None:
        if asked.song_id in self.unheard:
            return
        known = self.sounds_like.get(asked.song_id)
        same = Comparison(
            song_id=known or "",
            relation="same_recording",
            score=900.0,
            overlap=0.97,
            overlap_known=0.97,
            offset_ms=1500,
            aligned_hashes=800,
        )
        reply = ShardComparisons(
            query_id=asked.query_id, shard=ShardRef(index=0, count=1), comparisons=(same,) if known else ()
        )
        await self.bus.reply(asked.reply_to, reply)

    @asynccontextmanager
    async def client(self, user_id: str, role: str = "contributor") -> AsyncIterator[httpx.AsyncClient]:
        headers = {"x-user": user_id, "x-role": role}
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test/v1", headers=headers) as client:
            yield client

    async def upload(self, owner: str, content: bytes | None = None, **fields: Any) -> Song:
        """Register a song, send its bytes and say so."""
        content = content if content is not None else str(ULID()).encode()
        new: Mapping[str, Any] = {"file_name": "song.flac", "content_type": "audio/flac", "typed": Tags()} | fields
        registered = await self.service.register(
            person(owner), size_bytes=len(content), **{"idempotency_key": None} | dict(new)
        )
        await self.blobs.put(registered.song.upload_key, content, content_type="audio/flac")
        return await self.service.complete(person(owner), registered.song.song_id)

    async def fingerprint(self, song_id: str, *, sounds_like: str | None = None) -> Song:
        """Let the song be fingerprinted and decided."""
        song = await self.store.find(song_id)
        assert song is not None
        if sounds_like is not None:
            self.sounds_like[song_id] = sounds_like
        event = SongFingerprinted(
            song_id=song_id,
            revision=song.revision,
            algorithm="peaks-1",
            peak_count=1000,
            duration_s=180.0,
            audio_format=FORMAT,
            tags=Tags(),
        )
        await self.service.on_song_fingerprinted(event)
        decided = await self.store.find(song_id)
        assert decided is not None
        return decided

    async def ready_song(self, owner: str, *, title: str = "Song", **fields: Any) -> Song:
        """Bring a song of somebody into the library."""
        uploaded = await self.upload(owner, typed=Tags(title=title), **fields)
        song = await self.fingerprint(uploaded.song_id)
        assert song.status is Status.READY
        return song


def _who_the_headers_say(request: Request) -> Identity:
    return person(request.headers["x-user"], request.headers["x-role"])
