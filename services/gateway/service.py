"""Which song is this clip from? Asks every shard, gathers, merges."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import structlog
from ulid import ULID

from services.gateway.admission import Admission
from services.gateway.merge import Verdict, is_complete, merge, proposed
from services.gateway.schemas import Answer, ClipMatch
from services.gateway.settings import GatewaySettings
from services.gateway.store import QueryStore
from shared.catalogue import Library, LibraryEntry
from shared.errors import Rejected, Unavailable
from shared.events import Match, QueryCompleted, QuerySubmitted, Reply, UserDeleted
from shared.messaging.bus import EventBus
from shared.messaging.inbox import ReplyInbox
from shared.storage.blobs import BlobStore

log = structlog.get_logger()

CLIPS = "queries/"
"""Where clips are that are too large for a message."""
FORGET_PAUSE_S = 300.0


class QueryService:
    """Answers questions about clips."""

    def __init__(
        self,
        bus: EventBus,
        inbox: ReplyInbox,
        blobs: BlobStore,
        library: Library,
        history: QueryStore,
        settings: GatewaySettings,
    ) -> None:
        self._bus = bus
        self._inbox = inbox
        self._blobs = blobs
        self._library = library
        self._history = history
        self._settings = settings
        self._admission = Admission(settings.max_queries)

    def place(self, deadline_ms: int | None) -> AbstractContextManager[None]:
        """Take a place for a question, before its clip is received: what is refused later has cost memory and time.

        Raises
        ------
        Unavailable
            Too many questions are under way to answer one more in time.
        """
        return self._admission.place(self._deadline_ms(deadline_ms) / 1000)

    async def identify(
        self,
        user_id: str,
        clip: bytes,
        *,
        deadline_ms: int | None,
        replaces: str | None = None,
        explain: bool = False,
    ) -> Answer:
        """Name the song of a clip, or say honestly that it is not known.

        Parameters
        ----------
        replaces : str, optional
            An earlier question about less of the same recording, whose answer need not be kept any more.
        explain : bool
            Whether the answer tells which peaks of the clip and of the song lie together.

        Raises
        ------
        Rejected
            There is no clip, or it is too large.
        Unavailable
            The question could not be asked.
        """
        if not clip:
            raise Rejected("empty_clip", "the request has no audio in its body")
        asked_at, among = datetime.now(UTC), self._admission.under_way
        query_id = str(ULID())
        deadline = asked_at + timedelta(milliseconds=self._deadline_ms(deadline_ms))
        replies = await self._ask(query_id, clip, deadline, explain=explain)
        if is_complete(replies):  # what a silent shard makes late says nothing about the others
            self._admission.learn((datetime.now(UTC) - asked_at).total_seconds(), among)
        songs = await self._library.get_visible(proposed(replies), user_id)
        answer = _answer(query_id, merge(replies, visible=songs), songs, asked_at)
        await self._history.add(user_id, answer)
        if replaces is not None:
            await self._history.remove(user_id, replaces)
        await self._announce(answer)
        return answer

    def _deadline_ms(self, asked: int | None) -> int:
        return min(asked or self._settings.default_deadline_ms, self._settings.max_deadline_ms)

    async def _ask(self, query_id: str, clip: bytes, deadline: datetime, *, explain: bool) -> list[Reply]:
        clip_key = f"{CLIPS}{query_id}" if len(clip) > self._settings.inline_clip_bytes else None
        question = QuerySubmitted(
            query_id=query_id,
            deadline=deadline,
            reply_to=self._inbox.address,
            clip=clip if clip_key is None else None,
            clip_key=clip_key,
            explain=explain,
        )

        async def send() -> None:
            if clip_key is not None:
                await self._blobs.put(clip_key, clip, content_type="application/octet-stream")
            await self._bus.publish(question)

        try:
            return await self._inbox.collect(query_id, send, is_complete, deadline)
        finally:
            if clip_key is not None:  # recordings of people's surroundings are not kept
                with contextlib.suppress(Unavailable):  # the answer is there, and `forget_clips` comes later
                    await self._blobs.delete(clip_key)

    async def _announce(self, answer: Answer) -> None:
        event = QueryCompleted(
            query_id=answer.query_id,
            outcome=answer.outcome,
            reason=answer.reason,
            song_id=answer.match.song.id if answer.match else None,
            score=answer.match.score if answer.match else None,
            confidence=answer.match.confidence if answer.match else None,
            offset_ms=answer.match.offset_ms if answer.match else None,
            coverage=answer.coverage,
            took_ms=answer.took_ms,
        )
        log.info("query.completed", query_id=answer.query_id, outcome=answer.outcome, took_ms=answer.took_ms)
        try:
            await self._bus.publish(event)
        except Unavailable as error:
            log.warning("event.dropped", event_name=event.name, reason=error.reason)

    async def forget_clips(self) -> None:
        """Remove for ever the clips whose question was never finished, because its process or the bucket was gone."""
        while True:
            await asyncio.sleep(FORGET_PAUSE_S)
            try:
                await self._forget_clips(datetime.now(UTC) - timedelta(seconds=FORGET_PAUSE_S))
            except Unavailable as error:
                log.warning("clips.kept", reason=error.reason)

    async def _forget_clips(self, before: datetime) -> None:
        for blob in await self._blobs.list(CLIPS):
            if blob.modified_at < before:
                await self._blobs.delete(blob.key)
                log.info("clip.forgotten", key=blob.key)

    async def on_user_deleted(self, event: UserDeleted) -> None:
        """Forget what somebody has asked whose account is gone."""
        await self._history.forget(event.user_id)
        log.info("history.forgotten", user_id=event.user_id)

    async def history(self, user_id: str, *, limit: int, cursor: str | None) -> tuple[list[Answer], str | None]:
        """Return what somebody has asked, newest first."""
        return await self._history.page(user_id, limit=limit, cursor=cursor)

    async def remove(self, user_id: str, query_id: str) -> None:
        """Forget one thing that somebody has asked; an unknown one is no error."""
        await self._history.remove(user_id, query_id)

    async def clear(self, user_id: str) -> None:
        """Forget all that somebody has asked."""
        await self._history.clear(user_id)


def _answer(query_id: str, verdict: Verdict, songs: Mapping[str, LibraryEntry], asked_at: datetime) -> Answer:
    def named(match: Match) -> ClipMatch:
        return ClipMatch.of(match, songs[match.song_id], verdict.duration_ms or 0)

    return Answer(
        query_id=query_id,
        outcome=verdict.outcome,
        reason=verdict.reason,
        explanation=verdict.explanation,
        match=named(verdict.match) if verdict.match is not None else None,
        alternatives=[named(match) for match in verdict.alternatives],
        clip_duration_ms=verdict.duration_ms,
        coverage=verdict.coverage,
        took_ms=round((datetime.now(UTC) - asked_at).total_seconds() * 1000),
        asked_at=asked_at,
    )
