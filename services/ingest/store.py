"""Where are the songs, and how does one change without losing its event?"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from services.ingest import usage
from services.ingest.listing import Listing, relist, word_keys
from services.ingest.songs import Song, Status
from services.ingest.usage import UNLIMITED, Quotas, Usage, count, read_usage, usage_of
from shared.catalogue import SONGS, Library, LibraryEntry, count_in, count_out
from shared.errors import Rejected, Unavailable
from shared.events import Event
from shared.messaging.outbox import Outbox, pending_events, with_pending
from shared.storage.tables import Absent, Check, ConditionFailed, Delete, Equals, Item, Key, Put, Table, Write

_STAGE = SONGS.indexes[1]
_SONG: TypeAdapter[Song] = TypeAdapter(Song)
UNDECIDED = "undecided"
UNDECIDED_TAIL_S = 120
"""How long a song stays listed after its decision: longer than any replica takes to hear that it is ready."""
IDEMPOTENCY_LIFE_S = 24 * 3600
TOMBSTONE_LIFE_S = 30 * 86400
TRIES = 12
PAUSE_S = 0.02
LONGEST_PAUSE_S = 1.0


class SongStore:
    """Songs by id, with their pending events; who is under decision; whose content it is; who lists and uses what."""

    def __init__(self, table: Table, outbox: Outbox) -> None:
        self._table = table
        self._outbox = outbox
        self._library = Library(table)
        self.listing = Listing(table, self.find_many)

    async def get(self, song_id: str, user_id: str) -> Song:
        """Return a song that somebody sees.

        Raises
        ------
        Rejected
            There is no such song, or no longer, or not for them: all of that is the same (status 404).
        """
        song = await self.find(song_id)
        if song is None or not song.is_visible_to(user_id):
            raise Rejected("song_not_found", f"there is no song {song_id}", status=404)
        return song

    async def find(self, song_id: str) -> Song | None:
        """Return a song, deleted ones too."""
        item = await self._table.get(_key(song_id))
        return _song(item) if item is not None else None

    async def find_many(self, song_ids: Iterable[str]) -> list[Song]:
        """Return those of the songs that exist, in the given order."""
        keys = [_key(song_id) for song_id in dict.fromkeys(song_ids)]
        items = await self._table.batch_get(keys)
        return [_song(items[key]) for key in keys if key in items]

    async def add(self, song: Song, idempotency_key: str | None, digest: str, *, quotas: Quotas = UNLIMITED) -> Song:
        """Store a new song, or return the one that the same request made before.

        Raises
        ------
        Rejected
            The key was used for another request (status 422), a quota would be exceeded (403, or 429 for uploads in
            progress), or the account was deleted (401).
        """
        key = Key(f"idempotency#{song.owner}", idempotency_key) if idempotency_key is not None else None
        if key is not None and (earlier := await self._made_before(key, song.owner, digest)) is not None:
            return earlier
        more = usage_of(song)
        if usage.is_too_much(more, quotas):
            raise usage.refusal(await self.usage(song.owner), more, quotas)
        writes: list[Write] = [
            Put(song_item(song), Absent()),
            usage.still_open(song.owner),
            *relist(None, song),
            *count(song.owner, Usage(), more, quotas),
        ]
        if key is not None:
            expires_at = int(time.time()) + IDEMPOTENCY_LIFE_S
            marker: Item = {"digest": digest, "song_id": song.song_id, "expires_at": expires_at}
            writes.append(Put({"pk": key.pk, "sk": key.sk, **marker}, Absent()))
        try:
            await self._transact(writes)
        except ConditionFailed:
            await self.require_open_account(song.owner)
            if key is not None and (earlier := await self._made_before(key, song.owner, digest)) is not None:
                return earlier  # at the same moment
            raise usage.refusal(await self.usage(song.owner), more, quotas) from None
        return song

    async def _made_before(self, key: Key, owner: str, digest: str) -> Song | None:
        earlier = await self._table.get(key)
        if earlier is None:
            return None
        if earlier["digest"] != digest:
            raise Rejected("idempotency_key_reused", "this key was used for another request")
        return await self.get(str(earlier["song_id"]), owner)

    async def change(
        self,
        before: Song,
        after: Song,
        events: Sequence[Event] = (),
        *,
        also: Sequence[Write] = (),
        overtaking: Sequence[Song] = (),
    ) -> Song:
        """Replace a song that nobody has changed meanwhile, then publish the events.

        The revision of each song in `overtaking` is raised in the same transaction, so that a decision about it that is
        being made at this moment fails and is made again.

        Raises
        ------
        ConditionFailed
            Somebody has changed the song, or a condition of `also` does not hold.
        """
        item = await self._replacement(before, after, events)
        overtaken = [await self._replacement(rival, rival.revised()) for rival in overtaking]
        writes = [Put(item, Equals("revision", before.revision)), *relist(before, after), *also]
        writes += count(before.owner, usage_of(before), usage_of(after))
        writes += [
            Put(rival_item, Equals("revision", rival.revision))
            for rival, rival_item in zip(overtaking, overtaken, strict=True)
        ]
        await self._transact(writes)
        await self._outbox.publish(item)
        return after

    async def _transact(self, writes: Sequence[Write]) -> None:
        """Write all or nothing, again while that only loses against others: all songs of a user share their counts.

        Raises
        ------
        ConditionFailed
            A condition does not hold.
        Unavailable
            Others were always faster.
        """
        for attempt in range(TRIES):
            try:
                return await self._table.transact(writes)
            except ConditionFailed as error:
                if error.failed:
                    raise
            await asyncio.sleep(random.uniform(0.0, min(PAUSE_S * 2**attempt, LONGEST_PAUSE_S)))
        raise Unavailable("too much of one user changes at once")

    async def _replacement(self, before: Song, after: Song, events: Sequence[Event] = ()) -> Item:
        stored = await self._table.get(_key(before.song_id))
        unsent = pending_events(stored) if stored is not None else []
        return with_pending(song_item(after), [*unsent, *events])

    # --- Under decision ---

    async def undecided(self) -> list[str]:
        """Return the songs under decision, those decided a moment ago, and those whose event is not published yet."""
        listed: list[str] = []
        cursor: str | None = None
        while True:
            page = await self._table.query(UNDECIDED, limit=500, cursor=cursor)
            listed.extend(str(item["sk"]) for item in page.items)
            if page.cursor is None:
                break
            cursor = page.cursor
        unsent = [str(item["pk"]).removeprefix("song#") for item in await self._outbox.waiting()]
        return list(dict.fromkeys([*listed, *unsent]))

    # --- Content ---

    async def owner_of_content(self, sha256: str) -> Song | None:
        """Return the song of the library that has exactly these bytes."""
        item = await self._table.get(_content_key(sha256))
        song = await self.find(str(item["song_id"])) if item is not None else None
        return song if song is not None and song.status is Status.READY else None

    # --- What the other services see ---

    async def rewrite_entry(self, song: Song) -> list[Write]:
        """Return what shows the new words of a song of the library; it sounds as in the revision that is there."""
        shown = await self._library.get(song.song_id)
        return [Put(replace(song.entry(), revision=shown.revision).item())] if shown is not None else []

    async def bury_entry(self, song: Song) -> list[Write]:
        """Return what leaves a tombstone where the other services see a song of the library."""
        shown = await self._library.get(song.song_id)
        tombstone = LibraryEntry(song.song_id, song.revision, is_deleted=True)
        buried = Put({**tombstone.item(), "expires_at": int(time.time()) + TOMBSTONE_LIFE_S})
        return [buried, count_out(shown)] if shown is not None else [buried]

    # --- Words ---

    async def add_words(self, song: Song) -> None:
        """Make a song findable by its words. Done before it has them: who finds it looks at the song itself."""
        await self._table.batch_write([{"pk": key.pk, "sk": key.sk} for key in word_keys(song)])

    async def replace_words(self, before: Song, after: Song) -> None:
        """Make a song that has changed findable by its new words, and no longer by the old ones."""
        old, new = word_keys(before), word_keys(after)
        if old == new:
            return
        await self._table.batch_write([{"pk": key.pk, "sk": key.sk} for key in new - old], list(old - new))
        now = await self.find(after.song_id)
        if now is not None and now.revision != after.revision:  # changed meanwhile, perhaps back to the old words
            await self.add_words(now)

    # --- What its owner uses ---

    async def usage(self, owner: str) -> Usage:
        """Return how much somebody keeps."""
        return read_usage((await self._table.query(usage.partition(owner))).items)

    async def close_account(self, owner: str) -> None:
        """Let nobody add songs to an account any more, though a token for it may still be good."""
        await self._transact([usage.close(owner, int(time.time()) + TOMBSTONE_LIFE_S)])

    async def require_open_account(self, owner: str) -> None:
        """Raise `Rejected` (status 401) where the account was closed."""
        if await self._table.get(usage.closed_key(owner)) is not None:
            raise usage.account_closed()

    # --- Who does not move ---

    async def stuck(self, status: Status, *, before: datetime, limit: int = 100) -> list[Song]:
        """Return songs that have been in a state since before a time."""
        page = await self._table.query_index(_STAGE, status.value, sk_below=before.isoformat(), limit=limit)
        songs = await self.find_many(str(item["pk"]).removeprefix("song#") for item in page.items)
        return [song for song in songs if song.status is status]

    async def has_entered(self, status: Status, *, since: datetime) -> bool:
        """Tell whether any song has come into a state since a time."""
        page = await self._table.query_index(_STAGE, status.value, sk_from=since.isoformat(), limit=1)
        return bool(page.items)


# --- Writes that go with a change ---


def list_undecided(song_id: str) -> Write:
    """List a song as under decision."""
    return Put({"pk": UNDECIDED, "sk": song_id})


def keep_listed_for_a_moment(song_id: str) -> Write:
    """Keep a song that has become ready listed until every replica has heard of it."""
    return Put({"pk": UNDECIDED, "sk": song_id, "expires_at": int(time.time()) + UNDECIDED_TAIL_S})


def unlist(song_id: str) -> Write:
    """Take a song off the list of those under decision."""
    return Delete(Key(UNDECIDED, song_id))


def claim_content(song: Song) -> Write:
    """Claim the exact bytes of a song; fails where another song has claimed them."""
    assert song.content_sha256 is not None
    key = _content_key(song.content_sha256)
    return Put({"pk": key.pk, "sk": key.sk, "song_id": song.song_id}, Absent())


def release_content(song: Song) -> Write:
    """Give up the claim on the bytes of a song."""
    assert song.content_sha256 is not None
    return Delete(_content_key(song.content_sha256))


def publish_entry(song: Song) -> list[Write]:
    """Show a song that becomes ready to the other services."""
    return [Put(song.entry().item()), count_in(song.entry())]


def still_ready(song: Song) -> Write:
    """Fail unless the song is still part of the library."""
    return Check(_key(song.song_id), Equals("stage", Status.READY.value))


# --- Stored forms ---


def _key(song_id: str) -> Key:
    return Key(f"song#{song_id}", "song")


def _content_key(sha256: str) -> Key:
    return Key(f"content#{sha256}", "content")


def song_item(song: Song) -> Item:
    """Return the stored form of a song."""
    fields: dict[str, Any] = _SONG.dump_python(song, mode="json", exclude_none=True)
    key = _key(song.song_id)
    since = song.history[-1].at if song.history else song.created_at
    buried = {"expires_at": int(time.time()) + TOMBSTONE_LIFE_S}
    return {
        "pk": key.pk,
        "sk": key.sk,
        "revision": song.revision,
        "stage": song.status.value,
        "stage_since": since,
        "song": fields,
        **(buried if song.status is Status.DELETED else {}),
    }


def _song(item: Item) -> Song:
    return _SONG.validate_python(item["song"])
