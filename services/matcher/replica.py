"""How does a replica come to hold every song of its shard, and keep it so?

The order of operations is what makes it correct; the index ignores whatever is older than what it has.

1. STARTING: open the index of its folder, or fetch a snapshot that a sibling has left. Bind the queues for changes, and
   keep what arrives. Bound before the first read, so that a change which the read misses is in the queue.
2. LOADING: compare the summary of each owned virtual shard with what the index has. Where they differ, read the
   entries, and the fingerprints of songs that are news. All are written before the event is published, so a change
   whose event came before the binding is read here.
3. CATCHING_UP: apply what arrived meanwhile.
4. ACTIVE: only now answer questions.

After a lost connection changes may have been missed, so the replica reads again from step 2, and answers when done. The
same comparison, every few minutes, finds what should never be: a difference that stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import structlog
from prometheus_client import Counter, Histogram

from services.matcher.index import Index
from services.matcher.manifest import MANIFEST
from services.matcher.settings import MatcherSettings
from services.matcher.shared_snapshots import Snapshots
from shared.catalogue import Contents, Library, LibraryEntry, Summary
from shared.errors import Rejected, Unavailable
from shared.events import SongDeleted, SongReady
from shared.sharding import Shard
from shared.storage.fingerprints import FingerprintStore

log = structlog.get_logger()
T = TypeVar("T")

READS_AT_ONCE = 8
SHARDS_AT_ONCE = 64
"""Virtual shards that are read before their songs are: few songs of each are read with few requests."""
SONGS_AT_ONCE = 256
RETRY_PAUSE_S = 1.0
TEND_PAUSE_S = 5.0
VERIFY_PAUSE_S = 86_400.0
SETTLE_S = 10.0
"""How long a difference may be a change on its way."""
LOOKED_AT_ANYWAY = 8
"""Virtual shards that are read at each comparison although their summary agrees: it may lack the same song."""
MOST_SEGMENTS = 12
"""Segments from which on they are merged: every search looks into each of them."""

CHANGE_SECONDS = Histogram(
    "tunescout_matcher_change_seconds", "From the moment a song came or went until this replica knew.", ["change"]
)
REPAIRS = Counter(
    "tunescout_matcher_repairs", "Songs in which a replica differed from the catalogue, and was put right."
)


class State(StrEnum):
    """How far a replica is."""

    STARTING = "starting"
    LOADING = "loading"
    CATCHING_UP = "catching_up"
    ACTIVE = "active"


class Replica:
    """One copy of one shard.

    Parameters
    ----------
    folder : Path or None
        Where the index is kept; None keeps it in memory alone.
    snapshots : Snapshots or None
        Where siblings leave theirs, and this one too.
    """

    def __init__(
        self,
        shard: Shard,
        library: Library,
        fingerprints: FingerprintStore,
        settings: MatcherSettings,
        *,
        folder: Path | None = None,
        snapshots: Snapshots | None = None,
    ) -> None:
        self.shard = shard
        self.state = State.STARTING
        self.index = Index()
        self._library = library
        self._fingerprints = fingerprints
        self._settings = settings
        self._folder = folder
        self._snapshots = snapshots
        self._changes = asyncio.Lock()
        self._draining = asyncio.Lock()
        self._resync = asyncio.Event()
        self._kept: list[SongReady | SongDeleted] = []
        self._next_anyway = 0

    @property
    def is_active(self) -> bool:
        """Whether questions are answered."""
        return self.state is State.ACTIVE

    # --- Beginning and end ---

    async def open(self) -> None:
        """Open what the folder holds, or what a sibling has left. Waits while another process has the folder open."""
        if self._folder is None:
            return
        await self._fetch(self._folder)
        while True:
            try:
                self.index = await asyncio.to_thread(Index.open, self._folder)
            except Unavailable as error:
                log.warning("replica.deferred", reason=error.reason)
                await asyncio.sleep(RETRY_PAUSE_S)
            else:
                break
        self._tell(self.index.damages)
        log.info("index.opened", songs=self.index.song_count, segments=len(self.index.segments))

    async def _fetch(self, folder: Path) -> None:
        if self._snapshots is None or (folder / MANIFEST).exists():
            return
        try:
            await self._snapshots.fetch(folder)
        except Unavailable as error:  # the catalogue has everything too
            log.warning("snapshot.unavailable", reason=error.reason)

    def _tell(self, damages: Iterable[str]) -> None:
        for damage in damages:
            log.warning("segment.damaged", damage=damage)

    async def close(self) -> None:
        """Save the index and let the folder go."""
        await self._save()
        self.index.close()

    # --- Changes ---

    async def on_change(self, event: SongReady | SongDeleted) -> None:
        """Note that a song has come or gone; return when the index knows."""
        if not self.shard.owns(event.song_id):
            return
        self._kept.append(event)
        if self.state is not State.ACTIVE:
            return
        try:
            await self._drain()
        except Unavailable as error:
            # Retried too often, the change would be lost to this replica for good; reading everything again finds it.
            log.warning("replica.deferred", reason=error.reason)
            await self.on_reconnected()

    async def on_reconnected(self) -> None:
        """Note that changes may have been missed."""
        self._enter(State.LOADING)
        self._resync.set()

    async def _drain(self) -> None:
        """Apply what was kept, all at once: changes that come quickly share one read."""
        async with self._draining:
            events, self._kept = self._kept, []
            try:
                await self._take([_entry(event) for event in events])
            except BaseException:
                self._kept = events + self._kept
                raise
        for event in events:
            delay_s = (datetime.now(UTC) - event.occurred_at).total_seconds()
            CHANGE_SECONDS.labels(event.name).observe(max(0.0, delay_s))

    async def _take(self, entries: Sequence[LibraryEntry]) -> None:
        live = [entry for entry in entries if not entry.is_deleted]
        fingerprints = await self._fingerprints.get_many([entry.song_id for entry in live])
        for entry in live:
            # A song may be gone again before its coming is heard.
            if entry.song_id not in fingerprints and await self._library.get(entry.song_id) is not None:
                log.error("fingerprint.missing", song_id=entry.song_id)
        found = [
            (entry.song_id, entry.revision, fingerprints[entry.song_id])
            for entry in live
            if entry.song_id in fingerprints
        ]

        def change() -> None:
            for entry in entries:
                if entry.is_deleted:
                    self.index.remove(entry.song_id, entry.revision)
            self.index.add_many(found)

        async with self._changes:
            await asyncio.to_thread(change)

    # --- Comparing with the catalogue ---

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
        await self._read(await self._differing())
        await self._merge()
        self._enter(State.CATCHING_UP)
        # Nothing may be awaited between the last look at what was kept and being active: it would stay kept.
        while self._kept:
            await self._drain()
        if not self._resync.is_set():
            self._enter(State.ACTIVE)

    async def _differing(self) -> dict[int, Summary]:
        """Return the summaries of the virtual shards of which the index may have other songs than the catalogue."""
        summaries = await self._library.summaries(self.shard.virtual_shards)
        counts, sums = await asyncio.to_thread(self.index.digests)
        return {
            virtual: summary
            for virtual, summary in summaries.items()
            if summary.contents != (counts[virtual], sums[virtual])
        }

    async def _read(self, summaries: Mapping[int, Summary]) -> int:
        """Make the index, and these summaries, equal to the catalogue; return how many songs were news."""
        slots, count = asyncio.Semaphore(READS_AT_ONCE), 0
        for virtuals in _groups(list(summaries), SHARDS_AT_ONCE):
            found: dict[int, Contents] = {}
            async with asyncio.TaskGroup() as tasks:
                reading = [tasks.create_task(self._news(virtual, slots, found)) for virtual in virtuals]
            await self._library.correct_summaries(summaries, found)
            news = [entry for one in reading for entry in one.result()]
            for some in _groups(news, SONGS_AT_ONCE):
                await self._take(some)
            count += len(news)
        return count

    async def _news(self, virtual: int, slots: asyncio.Semaphore, found: dict[int, Contents]) -> list[LibraryEntry]:
        """Return the entries of a virtual shard that the index does not know, and note what it contains."""
        async with slots:
            had = await asyncio.to_thread(lambda: dict(self.index.song_ids_of(virtual)))
            entries = await self._library.of_virtual_shard(virtual)
        found[virtual] = Contents.of(entries)
        # Tombstones do not stay for ever; what was here before the catalogue was read, and is not in it, is gone.
        for song_id in had.keys() - {entry.song_id for entry in entries}:
            entries.append(LibraryEntry(song_id, had[song_id] + 1, is_deleted=True))
        other = [entry for entry in entries if entry.is_deleted or had.get(entry.song_id) != entry.revision]
        known = ((entry, self.index.revision(entry.song_id)) for entry in other)
        return [entry for entry, revision in known if revision is None or revision < entry.revision]

    # --- Behind the questions ---

    async def keep_up(self) -> None:
        """Read again whenever changes may have been missed."""
        while True:
            await self._resync.wait()
            await self.load()

    async def compare(self) -> None:
        """Compare with the catalogue every now and then, and put right what differs for longer than a change takes."""
        while True:
            await asyncio.sleep(self._settings.compare_every_s)
            try:
                await self._compare()
            except* Unavailable as group:
                log.warning("replica.not_compared", reason=str(group.exceptions[0]))

    async def _compare(self) -> None:
        differing = await self._differing()
        if differing:
            await asyncio.sleep(min(SETTLE_S, self._settings.compare_every_s))
            differing = {virtual: one for virtual, one in (await self._differing()).items() if virtual in differing}
        virtuals = self.shard.virtual_shards
        anyway = [virtuals[(self._next_anyway + step) % len(virtuals)] for step in range(LOOKED_AT_ANYWAY)]
        self._next_anyway += LOOKED_AT_ANYWAY
        news = await self._read(await self._library.summaries(anyway) | differing)
        if news:
            REPAIRS.inc(news)
            log.warning("replica.repaired", virtual_shards=sorted(differing), songs=news)

    async def verify(self) -> None:
        """Read all files of the index every now and then, and load anew what the disk has lost."""
        while True:
            await asyncio.sleep(VERIFY_PAUSE_S)
            damages = await asyncio.to_thread(self.index.verify)
            if damages:
                self._tell(damages)
                await self.on_reconnected()

    async def tend(self) -> None:
        """Keep the index in few segments, and save it every now and then."""
        saved_at = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(TEND_PAUSE_S)
            await self._merge()
            if asyncio.get_running_loop().time() - saved_at >= self._settings.save_every_s:
                await self._save()
                saved_at = asyncio.get_running_loop().time()

    async def _merge(self) -> None:
        if len(self.index.segments) > MOST_SEGMENTS:
            await asyncio.to_thread(self.index.merge)

    async def _save(self) -> None:
        try:
            await asyncio.to_thread(self.index.save)
        except OSError as error:  # everything is in memory still, and in the catalogue
            log.warning("index.not_saved", reason=str(error))

    async def leave_snapshots(self) -> None:
        """Leave a snapshot for siblings and successors every now and then, if it is this replica's turn."""
        while self._snapshots is not None:
            await asyncio.sleep(self._settings.snapshot_every_s)
            try:
                contents = await asyncio.to_thread(self._contents)
                if self.is_active and self.index.song_count and await self._snapshots.is_due(contents):
                    await self._leave(self._snapshots, contents)
            except (Unavailable, Rejected, OSError) as error:  # `Rejected`: a sibling has tidied up at the same moment
                log.warning("snapshot.not_left", reason=str(error))

    def _contents(self) -> str:
        return blake2b(b"".join(array.tobytes() for array in self.index.digests()), digest_size=8).hexdigest()

    async def _leave(self, snapshots: Snapshots, contents: str) -> None:
        with ExitStack() as held:
            await snapshots.leave(await asyncio.to_thread(held.enter_context, self.index.snapshot()), contents)

    def _enter(self, state: State) -> None:
        if state is not self.state:
            log.info("replica.entered", state=state, shard=self.shard.index, songs=self.index.song_count)
        self.state = state


def _groups(of: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (of[start : start + size] for start in range(0, len(of), size))


def _entry(event: SongReady | SongDeleted) -> LibraryEntry:
    return LibraryEntry(event.song_id, event.revision, is_deleted=isinstance(event, SongDeleted))
