"""Which songs belong to the library? The list that ingest writes, and matcher, gateway and streaming read.

An entry is written in the same transaction that makes a song ready, before `song.ready` is published, and replaced by a
tombstone in the one that deletes it. So who binds its queue first and reads this list second misses nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from shared.sharding import virtual_shard
from shared.storage.tables import Index, Item, Key, Table, TableSpec

SONGS = TableSpec(
    "songs",
    indexes=(
        Index("pending", pk="pending", sk="pending_at"),
        Index("stage", pk="stage", sk="stage_since"),
        Index("listing", pk="listing", sk="created_at"),
    ),
    expiry="expires_at",
)
"""The table of the ingest service. Others read only the library entries in it, through this module."""


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """A song as the other services see it. Where `is_deleted`, only `song_id` and `revision` mean anything."""

    song_id: str
    revision: int
    owner: str = ""
    title: str = ""
    artist: str = ""
    album: str = ""
    isrc: str | None = None
    year: int | None = None
    duration_s: float = 0.0
    blob_key: str = ""
    content_type: str = ""
    cover_key: str | None = None
    is_deleted: bool = False

    @property
    def key(self) -> Key:
        """Where the entry is stored: its partition is the virtual shard."""
        return _key(self.song_id)

    def item(self) -> Item:
        """Return the stored form."""
        return {"pk": self.key.pk, "sk": self.key.sk, **asdict(self)}


def _key(song_id: str) -> Key:
    return Key(_partition(virtual_shard(song_id)), song_id)


def _partition(virtual: int) -> str:
    return f"library#{virtual:04d}"


def _entry(item: Item) -> LibraryEntry:
    fields: dict[str, Any] = {name: item[name] for name in LibraryEntry.__dataclass_fields__ if name in item}
    fields["revision"] = int(fields["revision"])
    return LibraryEntry(**fields)


class Library:
    """Reads library entries."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def get(self, song_id: str) -> LibraryEntry | None:
        """Return the entry of a song that is in the library now."""
        item = await self._table.get(_key(song_id))
        entry = _entry(item) if item is not None else None
        return None if entry is None or entry.is_deleted else entry

    async def get_many(self, song_ids: Iterable[str]) -> dict[str, LibraryEntry]:
        """Return the entries of those of the songs that are in the library now."""
        items = await self._table.batch_get([_key(song_id) for song_id in dict.fromkeys(song_ids)])
        entries = (_entry(item) for item in items.values())
        return {entry.song_id: entry for entry in entries if not entry.is_deleted}

    async def of_virtual_shard(self, virtual: int) -> AsyncIterator[LibraryEntry]:
        """Yield every entry of a virtual shard, tombstones too, as consistent reads see them."""
        cursor: str | None = None
        while True:
            page = await self._table.query(_partition(virtual), limit=500, cursor=cursor)
            for item in page.items:
                yield _entry(item)
            if page.cursor is None:
                return
            cursor = page.cursor
