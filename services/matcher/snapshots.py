"""How does a state of the index get into another folder, and is all of it whole?

A snapshot is a folder like that of an index itself: segments, and the manifest that names them. The manifest comes
last, so what was not copied to its end is no index.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from services.matcher.array_file import ArrayFile, DamagedError
from services.matcher.disk import DISK
from services.matcher.manifest import MANIFEST, SEGMENTS, Manifest, open_segment, stamp, write_verified
from shared.errors import Rejected


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A saved state of an index.

    Attributes
    ----------
    folder : Path
        Where its files are.
    segments : tuple of str
        Names of the files with its segments. A name is never used for other content.
    manifest : bytes
        Content of the file `MANIFEST`.
    """

    folder: Path
    segments: tuple[str, ...]
    manifest: bytes

    @classmethod
    def of(cls, folder: Path) -> Snapshot:
        """Return the state in a folder that no index has open.

        Raises
        ------
        DamagedError
            The manifest is missing or damaged.
        """
        state = Manifest.read(folder)
        return cls(folder, tuple(entry.name for entry in state.entries), state.data)

    def is_last(self) -> bool:
        """Tell whether this still is the state of the folder."""
        return (self.folder / MANIFEST).read_bytes() == self.manifest

    def copy_to(self, folder: Path, threads: int = 1) -> None:
        """Copy the state into another folder, and read what was written.

        Raises
        ------
        Rejected
            ``index_exists`` where the folder has an index already.
        DamagedError
            A copy is not what was once written.
        """
        if is_index(folder):
            raise Rejected("index_exists", f"there is an index in {folder} already")
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.segments:
            shutil.copyfile(self.folder / name, folder / name)
            with (folder / name).open("rb+") as copy:
                os.fsync(copy.fileno())
            ArrayFile.open(folder / name).verify(threads)
        write_verified(folder, {name: stamp(folder / name) for name in self.segments}, DISK)
        DISK.put(folder / MANIFEST, self.manifest)


def is_index(folder: Path) -> bool:
    """Tell whether there is an index in a folder, or what is left of one."""
    return (folder / MANIFEST).exists() or any(folder.glob(SEGMENTS))


def damages(folder: Path, threads: int = 1) -> tuple[str, ...]:
    """Read all of an index, and return what is damaged, a sentence each."""
    try:
        entries = Manifest.read(folder).entries
    except DamagedError as error:
        return (str(error),)
    found = []
    for entry in entries:
        try:
            open_segment(folder, entry, {}, threads)
        except DamagedError as error:
            found.append(str(error))
    return tuple(found)
