"""Does the library have this recording already? Exactly one of several equal uploads must become a song.

1. A song is listed as under decision in the transaction that records its fingerprint, before the index is asked.
2. The question names all songs that are listed then, so of two equal songs at least the later one sees the other.
3. Becoming ready is one transaction. It claims the bytes, checks that the song is unchanged, and raises the revision of
   every overlapping song that is still under decision. So the first decision wins: the other's transaction fails, it
   asks again, and finds the winner in the library.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from ulid import ULID

from services.ingest.songs import Duplicate, Song, Status
from services.ingest.store import (
    SongStore,
    claim_content,
    keep_listed_for_a_moment,
    publish_entry,
    still_ready,
)
from shared.errors import Unavailable
from shared.events import Comparison, Reply, ShardComparisons, SongComparisonRequested, SongReady
from shared.messaging.bus import EventBus
from shared.messaging.inbox import ReplyInbox
from shared.sharding import coverage
from shared.storage.tables import ConditionFailed, Write

log = structlog.get_logger()

REFUSED = ("same_recording", "contained")
"""Relations of an upload to a known song that make it a duplicate."""
MOST_OVERTAKEN = 50
"""Half of what one transaction can hold."""
TRIES = 8
PAUSE_S = 0.05


class Refuse(Protocol):
    """Ends a song as a duplicate."""

    def __call__(self, song: Song, proof: Duplicate, *, also: list[Write]) -> Awaitable[Song]:
        """End a song as a duplicate, if `also` holds."""


class Decision:
    """Decides what a fingerprinted song becomes."""

    def __init__(self, store: SongStore, bus: EventBus, inbox: ReplyInbox, *, deadline_s: float) -> None:
        self._store = store
        self._bus = bus
        self._inbox = inbox
        self._deadline = timedelta(seconds=deadline_s)

    async def decide(self, song_id: str, refuse: Refuse) -> None:
        """Make a song ready or a duplicate.

        Raises
        ------
        Unavailable
            A part of the index did not answer, or others kept changing the same songs.
        """
        for attempt in range(TRIES):
            song = await self._store.find(song_id)
            if song is None or song.status is not Status.FINGERPRINTED:
                return  # decided meanwhile
            try:
                await self._decide_once(song, refuse)
            except ConditionFailed:
                log.info("decision.overtaken", song_id=song_id, attempt=attempt)
                await asyncio.sleep(PAUSE_S * random.uniform(1, 2**attempt))
            else:
                return
        raise Unavailable("the decision about a song keeps being overtaken")

    async def _decide_once(self, song: Song, refuse: Refuse) -> None:
        assert song.content_sha256 is not None
        twin = await self._store.owner_of_content(song.content_sha256)
        if twin is not None:
            proof = Duplicate(twin.song_id, "bytes", "same_recording", 1.0, 0)
            await refuse(song, proof, also=[still_ready(twin)])
            return
        comparisons = [one for one in await self._compare(song) if one.relation in REFUSED]
        others = {other.song_id: other for other in await self._store.find_many(one.song_id for one in comparisons)}
        for comparison in comparisons:
            other = others.get(comparison.song_id)
            if other is not None and other.status is Status.READY:
                proof = Duplicate(other.song_id, "sound", comparison.relation, comparison.overlap, comparison.offset_ms)
                await refuse(song, proof, also=[still_ready(other)])
                return
        rivals = [other for other in others.values() if other.status is Status.FINGERPRINTED]
        # The oldest are enough: all who decide about the same recording overtake the oldest of them, so only one can.
        rivals.sort(key=lambda rival: (rival.created_at, rival.song_id))
        await self._make_ready(song, rivals[:MOST_OVERTAKEN])

    async def _compare(self, song: Song) -> list[Comparison]:
        among = [other for other in await self._store.undecided() if other != song.song_id]
        question = SongComparisonRequested(
            query_id=str(ULID()),
            song_id=song.song_id,
            among=tuple(among),
            deadline=datetime.now(UTC) + self._deadline,
            reply_to=self._inbox.address,
        )
        replies = await self._inbox.collect(
            question.query_id,
            lambda: self._bus.publish(question),
            lambda gathered: _coverage(gathered) == 1.0,
            question.deadline,
        )
        if _coverage(replies) < 1.0:
            raise Unavailable("a part of the index did not answer")
        found = [one for reply in replies if isinstance(reply, ShardComparisons) for one in reply.comparisons]
        return sorted(found, key=lambda one: one.score, reverse=True)

    async def _make_ready(self, song: Song, rivals: list[Song]) -> None:
        after = song.becomes(Status.READY)
        event = SongReady(
            song_id=after.song_id,
            revision=after.revision,
            owner=after.owner,
            title=after.title,
            artist=after.artist,
            album=after.album,
            duration_s=after.duration_s or 0.0,
            blob_key=after.blob_key,
            content_type=after.content_type,
        )
        await self._store.add_words(after)
        also = [claim_content(after), *publish_entry(after), keep_listed_for_a_moment(after.song_id)]
        await self._store.change(song, after, [event], also=also, overtaking=rivals)
        log.info("song.ready", song_id=song.song_id)


def _coverage(replies: list[Reply]) -> float:
    return coverage(reply.shard.shard() for reply in replies if isinstance(reply, ShardComparisons))
