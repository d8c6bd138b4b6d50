"""What does the index ask of the disk?

All that it writes goes through here, one step after the other: whoever wants to know what a crash between any two of
them leaves behind, puts another disk in its place.
"""

from __future__ import annotations

import os
from pathlib import Path


class Disk:
    """The disk of this machine."""

    def create(self, path: Path) -> int:
        """Make an empty file, in place of one that has the name, and return its descriptor."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)

    def write(self, file: int, data: memoryview | bytes, offset: int) -> None:
        """Write everything at an offset."""
        left = memoryview(data)
        while len(left):
            written = os.pwrite(file, left, offset)
            left, offset = left[written:], offset + written

    def sync(self, file: int) -> None:
        """Wait until what was written would survive a loss of power."""
        os.fsync(file)

    def close(self, file: int) -> None:
        """Let a descriptor go."""
        os.close(file)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name in its folder, at once and for good."""
        old.replace(new)
        folder = os.open(new.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def put(self, path: Path, data: bytes) -> None:
        """Write a whole file, in place of one that has the name, at once and for good."""
        temporary = path.with_name(path.name + ".tmp")
        file = self.create(temporary)
        try:
            self.write(file, data, 0)
            self.sync(file)
        finally:
            self.close(file)
        self.rename(temporary, path)

    def remove(self, path: Path) -> None:
        """Remove a file, if there is one."""
        path.unlink(missing_ok=True)


DISK = Disk()
