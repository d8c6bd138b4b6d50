"""Does a replica miss no song that comes while it loads?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from services.matcher.index import Index
from services.matcher.replica import Replica
from shared.catalogue import SONGS, Library
from shared.events import SongReady
from shared.sharding import Shard
from shared.storage.fingerprints import FINGERPRINTS, FingerprintStore
from shared.storage.sqlite import SqliteTable
from tests.unit.recognition.fingerprints import random_fingerprint


class TellingIndex(Index):
    """An index that tells when it begins to merge."""

    on_merge: Callable[[], None] = staticmethod(lambda: None)

    def merge(self) -> None:
        self.on_merge()
        super().merge()


async def test_song_that_comes_while_a_loading_replica_merges_is_found_afterwards(tmp_path: Path) -> None:
    fingerprints = FingerprintStore(SqliteTable(tmp_path / "tables.sqlite", FINGERPRINTS))
    await fingerprints.put("new", random_fingerprint(1, 30))
    index = TellingIndex()
    library = Library(SqliteTable(tmp_path / "tables.sqlite", SONGS))
    replica = Replica(Shard(0, 1), index, library, fingerprints)
    ready = SongReady(
        song_id="new",
        revision=4,
        owner="",
        title="",
        artist="",
        album="",
        duration_s=30,
        blob_key="songs/new",
        content_type="audio/flac",
    )
    loop = asyncio.get_running_loop()
    index.on_merge = lambda: asyncio.run_coroutine_threadsafe(replica.on_change(ready), loop).result(10)

    await replica.load()

    assert replica.is_active
    assert "new" in index
