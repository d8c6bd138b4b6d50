"""Where are the songs, and how does one change without losing its event?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from services.ingest.songs import Song, Status
from services.ingest.words import words_of
from shared.catalogue import SONGS, Library, LibraryEntry, count_in, count_out
from shared.errors import Rejected, Unavailable
from shared.events import Event
from shared.messaging.outbox import Outbox, pending_events, with_pending
from shared.storage.tables import Absent, Check, ConditionFailed, Delete, Equals, Item, Key, Put, Table, Write

_PENDING, _STAGE, _LISTING = SONGS.indexes
_SONG: TypeAdapter[Song] = TypeAdapter(Song)
UNDECIDED = "undecided"
UNDECIDED_TAIL_S = 120
"""How long a song stays listed after its decision: longer than any replica takes to hear that it is ready."""
IDEMPOTENCY_LIFE_S = 24 * 3600
TOMBSTONE_LIFE_S = 30 * 86400


class SongStore:
    """Songs by id, with their pending events; who is under decision; whose content it is; the words to find them by."""

    def __init__(self, table: Table, outbox: Outbox) -> None:
        self._table = table
        self._outbox = outbox
        self._library = Library(table)

    async def get(self, song_id: str) -> Song:
        """Return a song.

        Raises
        ------
        Rejected
            There is no such song, or no longer (status 404).
        """
        song = await self.find(song_id)
        if song is None or song.status is Status.DELETED:
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

    async def add(self, song: Song, idempotency_key: str | None, digest: str) -> Song:
        """Store a new song, or return the one that the same request made before.

        Raises
        ------
        Rejected
            The key was used for another request (status 422).
        Unavailable
            The same request is being made at this moment.
        """
        writes: list[Write] = [Put(_item(song), Absent())]
        if idempotency_key is None:
            await self._table.transact(writes)
            return song
        key = Key(f"idempotency#{song.owner}", idempotency_key)
        marker: Item = {
            "pk": key.pk,
            "sk": key.sk,
            "digest": digest,
            "song_id": song.song_id,
            "expires_at": int(time.time()) + IDEMPOTENCY_LIFE_S,
        }
        try:
            await self._table.transact([*writes, Put(marker, Absent())])
        except ConditionFailed:
            earlier = await self._table.get(key)
            if earlier is None:
                raise Unavailable("the same request is being made at this moment") from None
            if earlier["digest"] != digest:
                raise Rejected("idempotency_key_reused", "this key was used for another request") from None
            return await self.get(str(earlier["song_id"]))
        return song

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
        writes = [Put(item, Equals("revision", before.revision)), *also]
        writes += [
            Put(rival_item, Equals("revision", rival.revision))
            for rival, rival_item in zip(overtaking, overtaken, strict=True)
        ]
        await self._table.transact(writes)
        await self._outbox.publish(item)
        return after

    async def _replacement(self, before: Song, after: Song, events: Sequence[Event] = ()) -> Item:
        stored = await self._table.get(_key(before.song_id))
        unsent = pending_events(stored) if stored is not None else []
        return with_pending(_item(after), [*unsent, *events])

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

    # --- Listing ---

    async def list_page(
        self, *, status: Status | None, limit: int, cursor: str | None
    ) -> tuple[list[Song], str | None]:
        """Return songs, newest first, and the cursor of the next page."""
        if status is None:
            page = await self._table.query_index(_LISTING, "song", limit=limit, cursor=cursor, descending=True)
        else:
            page = await self._table.query_index(_STAGE, status.value, limit=limit, cursor=cursor, descending=True)
        songs = await self.find_many(str(item["pk"]).removeprefix("song#") for item in page.items)
        return [song for song in songs if song.status is not Status.DELETED], page.cursor

    async def find_by_word(self, word: str, *, limit: int, cursor: str | None) -> tuple[list[Song], str | None]:
        """Return songs of the library with a word that begins so, and the cursor of the next page."""
        page = await self._table.query(f"word#{word[:2]}", sk_prefix=word, limit=limit, cursor=cursor)
        songs = await self.find_many(str(item["song_id"]) for item in page.items)
        return [song for song in songs if song.status is Status.READY], page.cursor

    async def index_words(self, song: Song) -> None:
        """Make a song findable by its words. Done before it is ready: what is not ready is not shown."""
        await self._table.batch_write(_word_items(song))

    async def replace_words(self, before: Song, after: Song) -> None:
        """Make a song findable by its new words and no longer by the old ones."""
        new = _word_items(after)
        kept = {str(item["sk"]) for item in new}
        old = [Key(str(item["pk"]), str(item["sk"])) for item in _word_items(before) if item["sk"] not in kept]
        await self._table.batch_write(new, old)

    async def forget_words(self, song: Song) -> None:
        """Make a song no longer findable by its words."""
        await self._table.batch_write([], [Key(str(item["pk"]), str(item["sk"])) for item in _word_items(song)])

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


def _item(song: Song) -> Item:
    fields: dict[str, Any] = _SONG.dump_python(song, mode="json", exclude_none=True)
    key = _key(song.song_id)
    since = song.history[-1].at if song.history else song.created_at
    listed = {"listing": "song", "created_at": song.created_at}
    buried = {"expires_at": int(time.time()) + TOMBSTONE_LIFE_S}
    return {
        "pk": key.pk,
        "sk": key.sk,
        "revision": song.revision,
        "stage": song.status.value,
        "stage_since": since,
        "song": fields,
        **(buried if song.status is Status.DELETED else listed),
    }


def _song(item: Item) -> Song:
    return _SONG.validate_python(item["song"])


def _word_items(song: Song) -> list[Item]:
    words = words_of(song.title, song.artist, song.album, song.isrc or "")
    return [{"pk": f"word#{word[:2]}", "sk": f"{word}#{song.song_id}", "song_id": song.song_id} for word in words]
