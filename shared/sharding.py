"""Which part of the index holds a song, and how much of it has answered?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

VIRTUAL_SHARDS = 1024
"""Number of virtual shards. Fixed for ever: it is the partition key of every stored fingerprint."""


def virtual_shard(song_id: str) -> int:
    """Return the virtual shard of a song, in ``[0, VIRTUAL_SHARDS)``."""
    digest = blake2b(song_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % VIRTUAL_SHARDS


def entry_digest(song_id: str, revision: int) -> int:
    """Return what one findable song adds to the digest of its virtual shard, in ``[0, 2**63)``.

    The digest of a virtual shard is the sum of its songs' digests modulo ``2**64``: it does not depend on their order,
    and a song that comes or goes changes it by one addition or subtraction. Whoever has the same number of songs and
    the same digest has the same songs in the same revisions.
    """
    digest = blake2b(f"{song_id}\0{revision}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` physical shards; it owns the virtual shards ``v`` with ``v % count == index``."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count <= VIRTUAL_SHARDS:
            raise ValueError(f"shard {self.index} of {self.count} does not exist")

    def owns(self, song_id: str) -> bool:
        """Tell whether this shard holds the song."""
        return virtual_shard(song_id) % self.count == self.index

    @property
    def virtual_shards(self) -> range:
        """The virtual shards that this shard owns."""
        return range(self.index, VIRTUAL_SHARDS, self.count)


def coverage(shards: Iterable[Shard]) -> float:
    """Return the share of all virtual shards that the given shards own together, from 0 to 1.

    Counting answers would be wrong: a redelivered question is answered twice, and while the number of shards changes
    two generations answer side by side.
    """
    covered: set[int] = set()
    for shard in shards:
        covered.update(shard.virtual_shards)
    return len(covered) / VIRTUAL_SHARDS
