"""Which songs belong to the library? The list that ingest writes, and matcher, gateway and streaming read.

An entry is written in the same transaction that makes a song ready, before `song.ready` is published, and replaced by a
tombstone in the one that deletes it. So who binds its queue first and reads this list second misses nothing.

The same transactions count the song into, or out of, the summary of its virtual shard. So who has a copy of the list
compares 1,024 summaries, and reads only the virtual shards that differ.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import structlog

from shared.errors import Rejected
from shared.sharding import entry_digest, virtual_shard
from shared.storage.tables import (
    Absent,
    Add,
    ConditionFailed,
    Equals,
    Index,
    Item,
    Key,
    Put,
    Table,
    TableSpec,
    Write,
)

log = structlog.get_logger()

SONGS = TableSpec(
    "songs",
    indexes=(
        Index("pending", pk="pending", sk="pending_at"),
        Index("stage", pk="stage", sk="stage_since"),
    ),
    expiry="expires_at",
)
"""The table of the ingest service. Others read only the library entries in it, through this module."""

Visibility = Literal["private", "shared"]
"""Who sees a song of the library: its owner alone, or all who have an account on this instance."""

WRITES_AT_ONCE = 25
_HALF = 1 << 32
"""The digest is summed in two halves, whose sums stay exact in every database."""


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """A song as the other services see it. Where `is_deleted`, only `song_id` and `revision` mean anything.

    The revision is the one in which the song became ready, or was deleted: what an index holds is known by it, and a
    song that is given another title sounds the same.
    """

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
    visibility: Visibility = "private"

    def is_visible_to(self, user_id: str) -> bool:
        """Tell whether somebody may know that this song exists; nobody sees another's private songs, admins neither."""
        return self.visibility == "shared" or self.owner == user_id

    @property
    def key(self) -> Key:
        """Where the entry is stored: its partition is the virtual shard."""
        return _key(self.song_id)

    def item(self) -> Item:
        """Return the stored form."""
        return {"pk": self.key.pk, "sk": self.key.sk, **asdict(self)}


class Contents(NamedTuple):
    """Which songs a virtual shard has: their number, and the sum of their digests modulo ``2**64``."""

    songs: int
    digest: int

    @classmethod
    def of(cls, entries: Iterable[LibraryEntry]) -> Contents:
        """Sum up entries, tombstones among them."""
        digests = [entry_digest(entry.song_id, entry.revision) for entry in entries if not entry.is_deleted]
        return cls(len(digests), sum(digests) % _HALF**2)


@dataclass(frozen=True, slots=True)
class Summary:
    """What the catalogue says of a virtual shard without being read.

    Attributes
    ----------
    contents : Contents or None
        None where nobody knows: catalogues that are older than their summaries have none at first.
    changes : int
        How often it has changed; 0 where there is none.
    """

    contents: Contents | None = None
    changes: int = 0


def count_in(entry: LibraryEntry) -> Write:
    """Count a song into the summary of its virtual shard, in the transaction that writes its entry."""
    return _counted(entry, 1)


def count_out(entry: LibraryEntry) -> Write:
    """Count a song out, in the transaction that replaces this very entry by a tombstone."""
    return _counted(entry, -1)


def _counted(entry: LibraryEntry, sign: int) -> Write:
    # A summary that is made by an addition is not complete: there may be entries that it never counted.
    high, low = divmod(entry_digest(entry.song_id, entry.revision), _HALF)
    amounts = {"songs": sign, "digest_high": sign * high, "digest_low": sign * low, "changes": 1}
    return Add(_summary_key(virtual_shard(entry.song_id)), amounts)


def _summary_key(virtual: int) -> Key:
    return Key(f"library-summary#{virtual:04d}", "summary")


def _summary(item: Item) -> Summary:
    songs, high, low, changes = (int(str(item[name])) for name in ("songs", "digest_high", "digest_low", "changes"))
    contents = Contents(songs, (high * _HALF + low) % _HALF**2)
    return Summary(contents if item.get("is_complete") else None, changes)


def _correction(virtual: int, contents: Contents, before: Summary) -> Write:
    key = _summary_key(virtual)
    high, low = divmod(contents.digest, _HALF)
    item: Item = {
        "pk": key.pk,
        "sk": key.sk,
        "songs": contents.songs,
        "digest_high": high,
        "digest_low": low,
        "changes": before.changes + 1,
        "is_complete": True,
    }
    return Put(item, Equals("changes", before.changes) if before.changes else Absent())


def _key(song_id: str) -> Key:
    return Key(_partition(virtual_shard(song_id)), song_id)


def _partition(virtual: int) -> str:
    return f"library#{virtual:04d}"


def _entry(item: Item) -> LibraryEntry:
    fields: dict[str, Any] = {name: item[name] for name in LibraryEntry.__dataclass_fields__ if name in item}
    fields["revision"] = int(fields["revision"])
    return LibraryEntry(**fields)


class Library:
    """Reads library entries, and corrects their summaries."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def get(self, song_id: str) -> LibraryEntry | None:
        """Return the entry of a song that is in the library now."""
        item = await self._table.get(_key(song_id))
        entry = _entry(item) if item is not None else None
        return None if entry is None or entry.is_deleted else entry

    async def require(self, song_id: str, user_id: str) -> LibraryEntry:
        """Return the entry of a song that is in the library now and that somebody may see.

        Raises
        ------
        Rejected
            There is no such song in the library, or they may not know that there is (status 404, in the same words).
        """
        song = await self.get(song_id)
        if song is None or not song.is_visible_to(user_id):
            raise Rejected("song_not_found", f"there is no song {song_id} in the library", status=404)
        return song

    async def get_visible(self, song_ids: Iterable[str], user_id: str) -> dict[str, LibraryEntry]:
        """Return the entries of those of the songs that are in the library now and that somebody may see."""
        items = await self._table.batch_get([_key(song_id) for song_id in dict.fromkeys(song_ids)])
        entries = (_entry(item) for item in items.values())
        return {one.song_id: one for one in entries if not one.is_deleted and one.is_visible_to(user_id)}

    async def summaries(self, virtuals: Iterable[int]) -> dict[int, Summary]:
        """Return the summary of each of these virtual shards, as consistent reads see them."""
        keys = {virtual: _summary_key(virtual) for virtual in virtuals}
        items = await self._table.batch_get(list(keys.values()))
        return {virtual: _summary(items[key]) if key in items else Summary() for virtual, key in keys.items()}

    async def of_virtual_shard(self, virtual: int) -> list[LibraryEntry]:
        """Return every entry of a virtual shard, tombstones too, as consistent reads see them."""
        entries: list[LibraryEntry] = []
        cursor: str | None = None
        while True:
            page = await self._table.query(_partition(virtual), limit=500, cursor=cursor)
            entries += [_entry(item) for item in page.items]
            if page.cursor is None:
                return entries
            cursor = page.cursor

    async def correct_summaries(self, before: Mapping[int, Summary], found: Mapping[int, Contents]) -> None:
        """Write anew the summaries that do not tell what was found.

        Parameters
        ----------
        before : mapping of int to Summary
            The summary of each virtual shard, read before its entries: one that has changed since stays as it is.
        found : mapping of int to Contents
            What its entries are.
        """
        wrong = {virtual: contents for virtual, contents in found.items() if before[virtual].contents != contents}
        writes = [_correction(virtual, contents, before[virtual]) for virtual, contents in wrong.items()]
        for start in range(0, len(writes), WRITES_AT_ONCE):
            with contextlib.suppress(ConditionFailed):  # whoever compares next looks again
                await self._table.transact(writes[start : start + WRITES_AT_ONCE])
        repaired = [virtual for virtual in wrong if before[virtual].contents is not None]
        if repaired:
            log.warning("summary.corrected", virtual_shards=repaired)
