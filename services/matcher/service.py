"""Which songs of this shard does a clip, or a whole new song, come from?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from services.matcher.replica import Replica
from shared.errors import Unavailable
from shared.events import (
    Comparison,
    Match,
    QueryFingerprinted,
    Question,
    Reply,
    ShardComparisons,
    ShardMatches,
    ShardRef,
    SongComparisonRequested,
)
from shared.fingerprint import Fingerprint
from shared.messaging.bus import EventBus
from shared.storage.fingerprints import FingerprintStore

log = structlog.get_logger()
T = TypeVar("T")

CANDIDATES = 32
"""Songs that are proposed at most. An answer names five, but those that its asker may not see are left out before."""


class MatcherService:
    """Answers questions to one shard."""

    def __init__(self, replica: Replica, fingerprints: FingerprintStore, bus: EventBus, *, threads: int) -> None:
        self._replica = replica
        self._fingerprints = fingerprints
        self._bus = bus
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="search")
        self._ref = ShardRef(index=replica.shard.index, count=replica.shard.count)

    async def on_query_fingerprinted(self, event: QueryFingerprinted) -> None:
        """Answer with the songs that share aligned hashes with a clip."""

        async def answer() -> Reply:
            clip = Fingerprint.unpack(event.fingerprint)
            matches: list[Match] = await self._compute(
                lambda: self._replica.index.search(
                    clip, limit=CANDIDATES, catalogue_size=self._catalogue_size(), explain=event.explain
                )
            )
            return ShardMatches(
                query_id=event.query_id,
                shard=self._ref,
                matches=tuple(matches),
                searched_songs=self._replica.index.song_count,
            )

        await self._answer(event, answer)

    async def on_song_comparison_requested(self, event: SongComparisonRequested) -> None:
        """Answer with the songs that overlap with a whole new song, those under decision included."""

        async def answer() -> Reply:
            missing = [
                song_id
                for song_id in event.among
                if self._replica.shard.owns(song_id) and song_id not in self._replica.index
            ]
            fingerprints = await self._fingerprints.get_many([event.song_id, *missing])
            new = fingerprints.pop(event.song_id, None)
            if new is None:
                raise Unavailable(f"the fingerprint of song {event.song_id} is not stored")
            comparisons: list[Comparison] = await self._compute(
                lambda: self._replica.index.compare(event.song_id, new, among=fingerprints)
            )
            return ShardComparisons(query_id=event.query_id, shard=self._ref, comparisons=tuple(comparisons))

        await self._answer(event, answer)

    def _catalogue_size(self) -> int:
        # The shards are alike in size, so this one tells how many songs there are in all to be wrong about.
        return self._replica.index.song_count * self._replica.shard.count

    async def _answer(self, question: Question, answer: Callable[[], Awaitable[Reply]]) -> None:
        """Answer in time or not at all: after the deadline nobody waits, and others do.

        Raises
        ------
        Unavailable
            This replica is not active. The question goes back to its queue, where another replica may take it.
        """
        remaining_s = (question.deadline - datetime.now(UTC)).total_seconds()
        if remaining_s <= 0:
            log.info("question.expired", query_id=question.query_id)
            return
        if not self._replica.is_active:
            raise Unavailable("this replica is not active")
        try:
            async with asyncio.timeout(remaining_s):
                reply = await answer()
        except TimeoutError:
            log.info("question.expired", query_id=question.query_id)
            return
        await self._bus.reply(question.reply_to, reply)

    async def _compute(self, work: Callable[[], T]) -> T:
        # The compiled parts release the interpreter lock, so a thread is enough to keep the event loop turning. What is
        # late before its turn is never begun; what has begun keeps its thread, so that no more than these are at work.
        # One question a call: all that a batch could share is the hand-over to a thread, less than 1 % of a search.
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
