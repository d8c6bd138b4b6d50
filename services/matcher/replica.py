"""How does a replica come to hold every song of its shard, and keep it so?

The order of operations is what makes it correct; the index ignores whatever is older than what it has.

1. STARTING: bind the queues for changes, and keep what arrives. Bound before the first read, so that a change which the
   read misses is in the queue.
2. LOADING: read the library entries of every owned virtual shard, consistently, and the fingerprints of its songs.
   An entry is written before its event is published, so a change whose event came before the binding is read here.
3. CATCHING_UP: apply what arrived meanwhile.
4. ACTIVE: only now answer questions.

After a lost connection changes may have been missed, so the replica reads again from step 2, and answers when done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum

import structlog

from services.matcher.index import Index
from shared.catalogue import Library, LibraryEntry
from shared.errors import Unavailable
from shared.events import SongDeleted, SongReady
from shared.sharding import Shard
from shared.storage.fingerprints import FingerprintStore

log = structlog.get_logger()

READS_AT_ONCE = 8
SONGS_AT_ONCE = 64
RETRY_PAUSE_S = 1.0
MOST_SEGMENTS = 12
"""Segments from which on they are merged: every search looks into each of them."""


class State(StrEnum):
    """How far a replica is."""

    STARTING = "starting"
    LOADING = "loading"
    CATCHING_UP = "catching_up"
    ACTIVE = "active"


class Replica:
    """One copy of one shard."""

    def __init__(self, shard: Shard, index: Index, library: Library, fingerprints: FingerprintStore) -> None:
        self.shard = shard
        self.state = State.STARTING
        self._index = index
        self._library = library
        self._fingerprints = fingerprints
        self._active = asyncio.Event()
        self._changes = asyncio.Lock()
        self._resync = asyncio.Event()
        self._kept: list[SongReady | SongDeleted] = []

    @property
    def is_active(self) -> bool:
        """Whether questions are answered."""
        return self.state is State.ACTIVE

    async def wait_until_active(self) -> None:
        """Return once questions can be answered."""
        await self._active.wait()

    async def on_change(self, event: SongReady | SongDeleted) -> None:
        """Note that a song has come or gone."""
        if not self.shard.owns(event.song_id):
            return
        if self.state is not State.ACTIVE:
            self._kept.append(event)
            return
        try:
            await self._apply(event)
        except Unavailable as error:
            # Retried too often, the change would be lost to this replica for good; reading everything again finds it.
            log.warning("replica.deferred", reason=error.reason)
            await self.on_reconnected()

    async def on_reconnected(self) -> None:
        """Note that changes may have been missed."""
        self._enter(State.LOADING)
        self._resync.set()

    async def load(self) -> None:
        """Go through steps 2 to 4, again and again while the store is away."""
        is_loaded = False
        while not is_loaded:
            try:
                await self._load()
                is_loaded = True
            except* Unavailable as group:
                log.warning("replica.deferred", reason=str(group.exceptions[0]))
                await asyncio.sleep(RETRY_PAUSE_S)

    async def _load(self) -> None:
        self._resync.clear()
        self._enter(State.LOADING)
        slots = asyncio.Semaphore(READS_AT_ONCE)
        async with asyncio.TaskGroup() as tasks:
            for virtual in self.shard.virtual_shards:
                tasks.create_task(self._load_virtual_shard(virtual, slots))
        await asyncio.to_thread(self._index.merge)
        self._enter(State.CATCHING_UP)
        # Nothing may be awaited between the last look at what was kept and being active: it would stay kept.
        while self._kept:
            await self._apply(self._kept.pop(0))
        if not self._resync.is_set():
            self._enter(State.ACTIVE)

    async def keep_up(self) -> None:
        """Read again whenever changes may have been missed."""
        while True:
            await self._resync.wait()
            await self.load()

    def _enter(self, state: State) -> None:
        if state is not self.state:
            log.info("replica.entered", state=state, shard=self.shard.index, songs=self._index.song_count)
        self.state = state
        if state is State.ACTIVE:
            self._active.set()
        else:
            self._active.clear()

    async def _load_virtual_shard(self, virtual: int, slots: asyncio.Semaphore) -> None:
        async with slots:
            entries = await self._library.of_virtual_shard(virtual)
            for start in range(0, len(entries), SONGS_AT_ONCE):
                await self._take(entries[start : start + SONGS_AT_ONCE])

    async def _take(self, entries: Sequence[LibraryEntry]) -> None:
        songs = [entry for entry in entries if not entry.is_deleted]
        fingerprints = await self._fingerprints.get_many([song.song_id for song in songs])
        async with self._changes:
            for entry in entries:
                if entry.is_deleted:
                    self._index.remove(entry.song_id, entry.revision)
                elif entry.song_id in fingerprints:
                    fingerprint = fingerprints[entry.song_id]
                    await asyncio.to_thread(self._index.add, entry.song_id, entry.revision, fingerprint)
                else:
                    log.error("fingerprint.missing", song_id=entry.song_id)
            if len(self._index.segments) > MOST_SEGMENTS:
                await asyncio.to_thread(self._index.merge)

    async def _apply(self, event: SongReady | SongDeleted) -> None:
        is_deleted = isinstance(event, SongDeleted)
        await self._take([LibraryEntry(event.song_id, event.revision, is_deleted=is_deleted)])
