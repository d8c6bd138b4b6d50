"""Which songs were removed, so that a late addition does not bring them back?"""

from __future__ import annotations

import numpy as np

from services.matcher.song_table import NO_SONGS, SongTable

_MOST_LATELY = 1_024
"""Removals that are kept as objects, before they are packed."""


class Tombstones:
    """Removed songs and their revisions."""

    def __init__(self, packed: SongTable = NO_SONGS) -> None:
        self._packed = packed
        self._stands = np.ones(len(packed), np.bool_)
        self._lately: dict[str, int] = {}

    def revision(self, song_id: str, key: np.uint64) -> int:
        """Return the revision in which a song was removed, or -1 if it was not."""
        if song_id in self._lately:
            return self._lately[song_id]
        row = self._packed.find(song_id, key)
        return int(self._packed.revisions[row]) if row is not None and self._stands[row] else -1

    def put(self, song_id: str, key: np.uint64, revision: int) -> None:
        """Remember that a song was removed."""
        self.drop(song_id, key)
        self._lately[song_id] = revision
        if len(self._lately) > _MOST_LATELY:
            self.packed()

    def drop(self, song_id: str, key: np.uint64) -> None:
        """Forget that a song was removed: it is there again, in a newer revision."""
        self._lately.pop(song_id, None)
        row = self._packed.find(song_id, key)
        if row is not None:
            self._stands[row] = False

    def packed(self) -> SongTable:
        """Return all of them."""
        if self._lately or not self._stands.all():
            new = SongTable.of(list(self._lately.items()))[0]
            self._packed = SongTable.joined([self._packed, new], [self._stands, np.ones(len(new), np.bool_)])[0]
            self._stands = np.ones(len(self._packed), np.bool_)
            self._lately.clear()
        return self._packed
