"""Which songs are there, in which revision, without an object for each?

Names of songs stand behind each other in one array of bytes, in the order of their keys. A key is a hash of the name
that begins with the virtual shard, so a name is found in few steps, and the songs of a virtual shard are neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.sharding import virtual_shard

_SHARD_SHIFT = 54
"""Bits of a key below the virtual shard."""


def song_key(song_id: str) -> np.uint64:
    """Return the key of a song: its virtual shard (10 bits), then 54 bits of a hash."""
    hashed = int.from_bytes(blake2b(song_id.encode(), digest_size=8, person=b"song key").digest(), "big")
    return np.uint64(virtual_shard(song_id) << _SHARD_SHIFT | hashed >> (64 - _SHARD_SHIFT))


@dataclass(frozen=True, slots=True, eq=False)
class SongTable:
    """Songs in the order of their keys, each once.

    Attributes
    ----------
    keys : uint64 [shape=(songs,)]
        `song_key` of each song, ascending.
    revisions : int64 [shape=(songs,)]
        Revision of each song.
    id_starts : uint32 [shape=(songs + 1,)]
        Where the name of each song begins.
    ids : uint8 [shape=(bytes,)]
        The names, in UTF-8.
    """

    keys: NDArray[np.uint64]
    revisions: NDArray[np.int64]
    id_starts: NDArray[np.uint32]
    ids: NDArray[np.uint8]

    @classmethod
    def of(cls, entries: Sequence[tuple[str, int]]) -> tuple[SongTable, NDArray[np.int64]]:
        """Return a table of some names and revisions, and the row of each."""
        keys = np.fromiter((song_key(song_id) for song_id, _ in entries), np.uint64, len(entries))
        order = np.argsort(keys, kind="stable")
        ids = [entries[place][0].encode() for place in order.tolist()]
        rows = np.empty(len(entries), np.int64)
        rows[order] = np.arange(len(entries))
        table = cls(
            keys[order],
            np.array([revision for _, revision in entries], np.int64)[order],
            _starts(np.fromiter(map(len, ids), np.int64, len(ids))),
            np.frombuffer(b"".join(ids), np.uint8),
        )
        return table, rows

    @classmethod
    def joined(
        cls, tables: Sequence[SongTable], kept: Sequence[NDArray[np.bool_]]
    ) -> tuple[SongTable, NDArray[np.int64]]:
        """Return one table of the kept songs of others, and the row of each, table after table."""
        keys = np.concatenate([table.keys[own] for table, own in zip(tables, kept, strict=True)])
        order = np.argsort(keys, kind="stable")
        rows = np.empty(len(order), np.int64)
        rows[order] = np.arange(len(order))
        begins = np.concatenate([table.id_starts[:-1][own] for table, own in zip(tables, kept, strict=True)])
        lengths = np.concatenate([np.diff(table.id_starts)[own] for table, own in zip(tables, kept, strict=True)])
        shifts = np.cumsum([0, *(len(table.ids) for table in tables)])[:-1]
        begins = begins + np.repeat(shifts, [int(np.count_nonzero(own)) for own in kept])
        starts = _starts(lengths[order].astype(np.int64))
        places = np.repeat(begins[order] - starts[:-1], np.diff(starts)) + np.arange(starts[-1])
        revisions = np.concatenate([table.revisions[own] for table, own in zip(tables, kept, strict=True)])
        ids = np.concatenate([table.ids for table in tables])[places]
        return cls(keys[order], revisions[order], starts, ids), rows

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, song_id: str, key: np.uint64) -> int | None:
        """Return the row of a song, or None."""
        row = int(np.searchsorted(self.keys, key))
        while row < len(self.keys) and self.keys[row] == key:
            if self.song_id(row) == song_id:
                return row
            row += 1
        return None

    def song_id(self, row: int) -> str:
        """Return the name of the song in a row."""
        return self.ids[self.id_starts[row] : self.id_starts[row + 1]].tobytes().decode()

    def rows_of(self, virtual: int) -> range:
        """Return the rows of the songs of a virtual shard."""
        first = int(np.searchsorted(self.keys, np.uint64(virtual << _SHARD_SHIFT)))
        last = np.uint64((virtual << _SHARD_SHIFT) | ((1 << _SHARD_SHIFT) - 1))
        return range(first, int(np.searchsorted(self.keys, last, side="right")))

    @property
    def virtual_shards(self) -> NDArray[np.int64]:
        """The virtual shard of each song."""
        return virtual_shards(self.keys)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the columns by their names."""
        return {"keys": self.keys, "revisions": self.revisions, "id_starts": self.id_starts, "ids": self.ids}


def virtual_shards(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the virtual shards that keys begin with."""
    return (keys >> np.uint64(_SHARD_SHIFT)).astype(np.int64)


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
    return np.append(np.uint32(0), np.cumsum(lengths, dtype=np.uint32))


NO_SONGS = SongTable.of([])[0]
"""The table without any song."""
