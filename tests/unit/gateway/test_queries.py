"""Is what somebody is told about a clip all that is told, kept and published of it?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.gateway.service import QueryService
from services.gateway.settings import GatewaySettings
from services.gateway.store import QUERIES, QueryStore
from shared.catalogue import SONGS, Library, LibraryEntry, Visibility
from shared.errors import Unavailable
from shared.events import ClipHeard, Match, QueryCompleted, QuerySubmitted, ShardMatches, ShardRef, UserDeleted
from shared.messaging.bus import Subscription
from shared.messaging.inbox import ReplyInbox
from shared.messaging.memory import MemoryBus
from shared.storage.files import FolderStore
from shared.storage.sqlite import SqliteTable

THRESHOLD = 20.0


@dataclass
class Gateway:
    """The gateway in front of an index whose songs fit every clip as `fits` says."""

    service: QueryService
    songs: SqliteTable
    completed: asyncio.Queue[QueryCompleted]
    fits: dict[str, float] = field(default_factory=dict)

    async def add_song(self, song_id: str, fit: float, *, owner: str, visibility: Visibility) -> None:
        entry = LibraryEntry(song_id, 3, owner=owner, title=f"title of {song_id}", visibility=visibility)
        await self.songs.put(entry.item())
        self.fits[song_id] = fit

    async def ask(self, user_id: str) -> dict[str, Any]:
        answer = await self.service.identify(user_id, b"clip", deadline_ms=5_000)
        return answer.model_dump(mode="json", exclude={"query_id", "took_ms", "asked_at"})


def match(song_id: str, score: float) -> Match:
    return Match(
        song_id=song_id,
        score=score,
        confidence=0.5,
        is_answer=score >= THRESHOLD,
        margin=score - THRESHOLD,
        offset_ms=0,
        clip_begin_ms=0,
        clip_end_ms=5000,
        song_begin_ms=0,
        song_end_ms=5000,
        aligned_hashes=50,
    )


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    bus = MemoryBus(None)
    await bus.connect()
    inbox = ReplyInbox(bus, "gateway")
    await inbox.open()
    songs, queries = (SqliteTable(tmp_path / "tables.sqlite", spec) for spec in (SONGS, QUERIES))
    blobs = FolderStore(tmp_path, base_url="http://test", secret=bytes(16))
    await blobs.open()
    service = QueryService(bus, inbox, blobs, Library(songs), QueryStore(queries, life_s=60), GatewaySettings())
    made = Gateway(service, songs, asyncio.Queue())

    async def search(event: QuerySubmitted) -> None:
        matches = tuple(
            match(song_id, made.fits[song_id]) for song_id in sorted(made.fits, key=lambda one: -made.fits[one])
        )
        await bus.reply(event.reply_to, ClipHeard(query_id=event.query_id, duration_ms=5000))
        await bus.reply(
            event.reply_to, ShardMatches(query_id=event.query_id, shard=ShardRef(index=0, count=1), matches=matches)
        )

    await bus.subscribe(Subscription(QuerySubmitted, search, queue="test.query-submitted", ttl_s=30))
    await bus.subscribe(Subscription(QueryCompleted, made.completed.put, queue="test.query-completed"))
    yield made
    await bus.close()
    await blobs.close()
    for table in (songs, queries):
        await table.close()


async def test_song_that_the_asker_does_not_see_takes_nothing_from_the_answer_and_is_told_to_nobody(
    gateway: Gateway,
) -> None:
    await gateway.add_song("mine", 60, owner="me", visibility="private")
    await gateway.add_song("shared", 50, owner="you", visibility="shared")
    await gateway.ask("nobody")
    before = {person: await gateway.ask(person) for person in ("me", "you")}

    await gateway.add_song("hidden", 61, owner="third", visibility="private")
    assert {person: await gateway.ask(person) for person in ("me", "you")} == before

    assert before["me"]["match"]["song"]["id"] == "mine"
    assert [one["song"]["id"] for one in before["me"]["alternatives"]] == ["shared"]
    assert before["you"]["match"]["song"]["id"] == "shared"
    assert before["you"]["alternatives"] == []
    kept, _ = await gateway.service.history("me", limit=10, cursor=None)
    assert len(kept) == 2
    assert all("hidden" not in one.model_dump_json() for one in kept)
    published = [(await gateway.completed.get()).song_id for _ in range(5)]
    assert published == ["shared", "mine", "shared", "mine", "shared"]


async def test_clip_of_a_song_that_the_asker_does_not_see_is_a_clip_of_nothing(gateway: Gateway) -> None:
    nothing = await gateway.ask("me")

    await gateway.add_song("hidden", 90, owner="you", visibility="private")
    hidden = await gateway.ask("me")

    assert hidden == nothing
    assert (hidden["outcome"], hidden["reason"]) == ("no_match", "unknown")
    for _ in range(2):
        event = await gateway.completed.get()
        assert (event.outcome, event.song_id, event.score, event.confidence) == ("no_match", None, None, None)
    assert (await gateway.ask("you"))["match"]["song"]["id"] == "hidden"


async def test_answer_is_given_though_the_bucket_goes_away_before_the_clip_is_removed(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(store: FolderStore, key: str) -> None:
        raise Unavailable("the bucket is away")

    monkeypatch.setattr(FolderStore, "delete", away)
    await gateway.add_song("song", 40.0, owner="me", visibility="private")
    answer = await gateway.service.identify("me", bytes(800_000), deadline_ms=5_000)

    assert answer.match is not None


async def test_history_goes_with_its_owner_and_nothing_is_added_by_who_is_gone(gateway: Gateway) -> None:
    async def asked(user_id: str) -> int:
        kept, _ = await gateway.service.history(user_id, limit=200, cursor=None)
        return len(kept)

    for _ in range(3):
        await gateway.ask("me")
    await gateway.ask("you")

    await gateway.service.on_user_deleted(UserDeleted(user_id="me"))
    assert await asked("me") == 0
    await gateway.ask("me")  # a token is good for some minutes more
    await gateway.service.on_user_deleted(UserDeleted(user_id="me"))

    assert await asked("me") == 0
    assert await asked("you") == 1


async def test_of_a_recording_that_grows_the_last_answer_is_kept_and_people_clear_their_history(
    gateway: Gateway,
) -> None:
    async def asked(user_id: str) -> list[str]:
        kept, _ = await gateway.service.history(user_id, limit=200, cursor=None)
        return [one.query_id for one in kept]

    async def ask(user_id: str, replaces: str | None = None) -> str:
        answer = await gateway.service.identify(user_id, b"clip", deadline_ms=5_000, replaces=replaces)
        return answer.query_id

    shorter = await ask("me")
    longer = await ask("me", replaces=shorter)
    other = await ask("me")
    yours = await ask("you", replaces=other)
    assert await asked("me") == [other, longer]

    await gateway.service.remove("you", other)
    await gateway.service.remove("me", longer)
    assert await asked("me") == [other]

    await gateway.service.clear("me")
    assert (await asked("me"), await asked("you")) == ([], [yours])
    assert [await ask("me")] == await asked("me")
