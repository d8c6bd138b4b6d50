"""Which files are the index, and which of their songs were removed?

The manifest is the one file that changes, by giving a new one its name: that is the commit. Whatever else lies in the
folder and is not in the manifest was never committed, or is not needed any more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.matcher.array_file import ArrayFile, ArrayWriter, DamagedError
from services.matcher.disk import Disk
from services.matcher.segment import Segment
from services.matcher.song_table import NO_SONGS, SongTable

MANIFEST = "manifest"
SEGMENTS = "*.segment"
_VERIFIED = "verified.json"

Stamp = list[int]
"""What changes whenever somebody writes to a file: its size, inode, and the times of its last changes in ns."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A segment of the index.

    Attributes
    ----------
    name : str
        Of its file. A name is never used for other content.
    checksum : int
        Of its content.
    alive : bool [shape=(songs,)]
        Which of its songs were not removed.
    """

    name: str
    checksum: int
    alive: NDArray[np.bool_]

    @classmethod
    def of(cls, segment: Segment) -> Entry:
        """Return the entry of a segment that is in a file."""
        assert segment.file is not None
        return cls(segment.file.path.name, segment.file.checksum, segment.alive)


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """A state of the index.

    Attributes
    ----------
    entries : sequence of Entry
        The segments.
    removed : SongTable
        Songs that were removed, and the revision in which they were.
    data : bytes
        The file that this was read from.
    """

    entries: Sequence[Entry] = ()
    removed: SongTable = NO_SONGS
    data: bytes = b""

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Return the state that was committed last.

        Raises
        ------
        DamagedError
            The manifest is missing, or is not what was written.
        """
        file = ArrayFile.open(folder / MANIFEST)
        file.verify()
        arrays = dict(file.arrays)
        alive = arrays.pop("alive")
        entries, begin = [], 0
        for name, checksum, songs in file.facts["segments"]:
            size = -(-songs // 8)
            bits = np.unpackbits(alive[begin : begin + size], count=songs).astype(np.bool_)
            entries.append(Entry(name, checksum, bits))
            begin += size
        return cls(entries, SongTable(**arrays), file.data)

    def write(self, folder: Path, disk: Disk) -> None:
        """Commit this state."""
        facts = {"segments": [[entry.name, entry.checksum, len(entry.alive)] for entry in self.entries]}
        alive = [np.packbits(entry.alive) for entry in self.entries]
        arrays = self.removed.arrays() | {"alive": np.concatenate([np.empty(0, np.uint8), *alive])}
        layout = {name: (array.dtype.str, len(array)) for name, array in arrays.items()}
        with ArrayWriter(folder / MANIFEST, facts, layout, disk) as writer:
            for name, array in arrays.items():
                writer.append(name, array)
            writer.finish()


def open_segment(folder: Path, entry: Entry, verified: dict[str, Stamp], threads: int) -> Segment:
    """Return a segment of the index. All of its file is read, unless it was `verified` as it is now.

    Raises
    ------
    DamagedError
        The file is missing, outdated, or not what was written.
    """
    file = ArrayFile.open(folder / entry.name)
    found = stamp(file.path)
    if file.checksum != entry.checksum:
        raise DamagedError(f"{entry.name} is damaged: it is not the file that was written under this name")
    segment = Segment.of_file(file)
    if verified.get(entry.name) != found:
        file.verify(threads)
        verified[entry.name] = found
    return segment.without(np.flatnonzero(~entry.alive))


def stamp(path: Path) -> Stamp:
    """Return what changes whenever somebody writes to a file."""
    found = path.stat()
    return [found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]


def read_verified(folder: Path) -> dict[str, Stamp]:
    """Return the files that this machine has read and found whole, as they were then."""
    try:
        verified = json.loads((folder / _VERIFIED).read_bytes())
    except (OSError, ValueError):
        return {}
    return verified if isinstance(verified, dict) else {}


def write_verified(folder: Path, verified: Mapping[str, Stamp], disk: Disk) -> None:
    """Remember which files were found whole, or have been written, and how they were then."""
    disk.put(folder / _VERIFIED, json.dumps(verified).encode())
