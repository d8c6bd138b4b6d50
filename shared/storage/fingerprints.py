"""Where is the fingerprint of a song? Written by the fingerprint service, read by the matcher."""

from __future__ import annotations

from collections.abc import Sequence

from shared.fingerprint import Fingerprint
from shared.sharding import virtual_shard
from shared.storage.tables import Item, Key, Table, TableSpec

FINGERPRINTS = TableSpec("fingerprints")

CHUNK_BYTES = 350 * 1024
"""An item holds at most 400 KB; 350 KiB of packed peaks are about three hours of music."""


class FingerprintStore:
    """Packed fingerprints by song: one item each, a few for very long ones."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def put(self, song_id: str, fingerprint: Fingerprint) -> None:
        """Store a fingerprint, replacing the song's earlier one."""
        packed = fingerprint.pack()
        chunks = [packed[start : start + CHUNK_BYTES] for start in range(0, len(packed), CHUNK_BYTES)]
        for number, chunk in reversed(list(enumerate(chunks))):
            # The first chunk tells how many there are, so it is written last: a reader sees all chunks or none.
            await self._table.put(
                {
                    "pk": _key(song_id, number).pk,
                    "sk": _key(song_id, number).sk,
                    "algorithm": fingerprint.algorithm,
                    "chunks": len(chunks),
                    "peaks": chunk,
                }
            )

    async def get_many(self, song_ids: Sequence[str]) -> dict[str, Fingerprint]:
        """Return the fingerprints of those of the songs that have one."""
        first = await self._table.batch_get([_key(song_id, 0) for song_id in song_ids])
        further = [
            _key(song_id, number)
            for song_id in song_ids
            if (item := first.get(_key(song_id, 0))) is not None
            for number in range(1, _chunk_count(item))
        ]
        items = first | (await self._table.batch_get(further) if further else {})
        found = {}
        for song_id in song_ids:
            if (item := items.get(_key(song_id, 0))) is not None:
                keys = [_key(song_id, number) for number in range(_chunk_count(item))]
                found[song_id] = Fingerprint.unpack(b"".join(_peaks(items[key]) for key in keys))
        return found

    async def delete(self, song_id: str) -> None:
        """Remove the fingerprint of a song; a song without one is no error."""
        first = await self._table.get(_key(song_id, 0))
        if first is not None:
            for number in range(_chunk_count(first)):
                await self._table.delete(_key(song_id, number))


def _key(song_id: str, chunk: int) -> Key:
    return Key(f"vshard#{virtual_shard(song_id):04d}", f"{song_id}#{chunk:03d}")


def _chunk_count(item: Item) -> int:
    count = item["chunks"]
    assert isinstance(count, int)
    return count


def _peaks(item: Item) -> bytes:
    peaks = item["peaks"]
    assert isinstance(peaks, bytes)
    return peaks
