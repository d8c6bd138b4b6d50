"""Which shard holds a song, and how much has answered?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.sharding import VIRTUAL_SHARDS, Shard, coverage, entry_digest, virtual_shard

counts = st.integers(1, 64)


@given(song_id=st.text(min_size=1), count=counts)
def test_exactly_one_shard_owns_a_song(song_id: str, count: int) -> None:
    owners = [index for index in range(count) if Shard(index, count).owns(song_id)]

    assert owners == [virtual_shard(song_id) % count]


def test_virtual_shard_of_a_song_never_changes() -> None:
    assert [virtual_shard(song_id) for song_id in ("a", "song", "01J0000000000000000000000")] == [559, 890, 664]


def test_digest_of_a_song_never_changes_and_tells_its_revisions_apart() -> None:
    digests = [entry_digest(*entry) for entry in (("a", 0), ("song", 1), ("song", 2))]

    assert digests == [4557512049048800138, 5429794146406028602, 1747751797588083287]


@given(count=counts, data=st.data())
def test_coverage_counts_each_virtual_shard_once(count: int, data: st.DataObject) -> None:
    indexes = data.draw(st.lists(st.integers(0, count - 1), max_size=10))

    covered = coverage(Shard(index, count) for index in indexes)

    owned = sum(len(Shard(index, count).virtual_shards) for index in set(indexes))
    assert covered == pytest.approx(owned / VIRTUAL_SHARDS)


def test_two_generations_together_cover_what_either_covers() -> None:
    assert coverage([Shard(0, 2), Shard(1, 4)]) == pytest.approx(0.75)
    assert coverage([Shard(0, 2), Shard(1, 4), Shard(3, 4)]) == 1.0
