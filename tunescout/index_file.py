"""How does one file hold the fingerprints of a library, so that songs come and go and nothing is lost in a crash?

It is an SQLite database with one row for each song. Only peaks are stored: landmarks and hashes are derived when the
index is built in memory, so a better hash needs no new file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Container, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.errors import Rejected, Unavailable
from shared.fingerprint import ALGORITHM, Fingerprint

_APPLICATION_ID = 0x54534649
"""What tells our files from other SQLite databases: the letters TSFI."""

_FORMAT = 1

_BUSY_S = 30.0
"""How long a reader waits for a writer, and a writer for the readers."""

_SONGS = """
CREATE TABLE songs (
    path BLOB PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    modified_ns INTEGER NOT NULL,
    algorithm TEXT NOT NULL,
    duration_s REAL NOT NULL,
    peaks INTEGER NOT NULL,
    fingerprint BLOB NOT NULL
) STRICT
"""
# A path is a string of bytes, and not always text in any encoding.


@dataclass(frozen=True, slots=True)
class Version:
    """What tells whether a file is still the one that was heard."""

    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the version of a file as it is now."""
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Totals:
    """How much a file holds.

    Attributes
    ----------
    songs, peaks : int
        Of the present algorithm.
    outdated_songs : int
        Songs of other algorithms, which cannot be found until they are heard again.
    duration_s : float
        Length of the songs together, in seconds.
    size_bytes : int
        Size of the file.
    """

    songs: int
    outdated_songs: int
    peaks: int
    duration_s: float
    size_bytes: int


def path_of(identity: str) -> Path:
    """Return the path of a song from its identity."""
    return Path(os.fsdecode(identity.split("\0")[0].encode("latin-1")))


def _identity(path: bytes, size_bytes: int, modified_ns: int, peaks: int) -> str:
    # A path has any bytes but 0; as Latin-1 they are a string that UTF-8 can hold.
    return f"{path.decode('latin-1')}\0{size_bytes}.{modified_ns}.{peaks}"


def identity(path: Path) -> Path:
    """Return the name that a song has in every file: absolute, without ``..``, links kept."""
    return Path(os.path.abspath(path))  # noqa: PTH100  # `resolve` would follow links


class IndexFile:
    """An open file of fingerprints.

    Every change is committed when its method returns: a crash costs what was not finished, never what was.

    Parameters
    ----------
    path : Path
        The file.
    writable : bool
        Whether songs will be added or removed; the file is then made if there is none.

    Raises
    ------
    Rejected
        ``no_index`` where the file does not exist, or is of another kind.
    """

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self.path = path
        if not writable and not path.is_file():
            raise Rejected("no_index", f"there is no index in {path}: make one with `tunescout index build`")
        uri = f"{path.absolute().as_uri()}?mode={'rwc' if writable else 'ro'}"
        with self._explained():
            self._database = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)
        try:
            with self._explained():
                if writable:
                    self._create()
                self._check()
        except BaseException:
            self._database.close()
            raise

    def _create(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        if not self._database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            self._database.execute(_SONGS)
            self._database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._database.execute(f"PRAGMA user_version = {_FORMAT}")
        self._database.execute("COMMIT")

    def _check(self) -> None:
        marks = tuple(
            self._database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if marks[0] != _APPLICATION_ID:
            raise Rejected("no_index", f"{self.path} is not an index")
        if marks[1] != _FORMAT:
            raise Rejected("no_index", f"{self.path} is an index of format {marks[1]}, known is {_FORMAT}")

    def __enter__(self) -> Self:
        """Return the open file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._database.close()

    def versions(self) -> dict[Path, Version]:
        """Return which songs can be found, and the version of each that was heard."""
        with self._explained():
            rows = self._database.execute(
                "SELECT path, size_bytes, modified_ns FROM songs WHERE algorithm = ?", (ALGORITHM,)
            ).fetchall()
        return {Path(os.fsdecode(path)): Version(size_bytes, modified_ns) for path, size_bytes, modified_ns in rows}

    def put(self, path: Path, version: Version, fingerprint: Fingerprint) -> None:
        """Keep the fingerprint of a song, in place of an earlier one."""
        row = (
            os.fsencode(path),
            version.size_bytes,
            version.modified_ns,
            fingerprint.algorithm,
            fingerprint.duration_s,
            len(fingerprint.frames),
            fingerprint.pack(),
        )
        with self._explained():
            self._database.execute("INSERT OR REPLACE INTO songs VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def remove(self, path: Path) -> int:
        """Forget a song, or all songs below a folder, and return how many there were."""
        name = os.fsencode(path)
        below = os.path.join(name, b"")  # noqa: PTH118  # a path of bytes
        with self._explained():
            return self._database.execute(
                "DELETE FROM songs WHERE path = ? OR substr(path, 1, ?) = ?", (name, len(below), below)
            ).rowcount

    def identities(self) -> Iterator[str]:
        """Iterate over names of the songs that can be found, which tell their versions apart too; see `path_of`."""
        with self._explained():
            for row in self._database.execute(
                "SELECT path, size_bytes, modified_ns, peaks FROM songs WHERE algorithm = ?", (ALGORITHM,)
            ):
                yield _identity(*row)

    def fingerprints(self, but: Container[str] = ()) -> Iterator[tuple[str, Fingerprint]]:
        """Iterate over the songs that can be found by their `identities`, in the order in which they came.

        Parameters
        ----------
        but : container of str
            Songs to pass over.

        Raises
        ------
        Rejected
            ``damaged_index``
        """
        columns = "path, size_bytes, modified_ns, peaks, fingerprint"
        with self._explained():
            for *row, packed in self._database.execute(
                f"SELECT {columns} FROM songs WHERE algorithm = ? ORDER BY rowid", (ALGORITHM,)
            ):
                found = _identity(*row)
                if found in but:
                    continue
                try:
                    yield found, Fingerprint.unpack(packed)
                except ValueError as error:
                    raise Rejected("damaged_index", f"{self.path} is damaged: {error}") from error

    def damages(self) -> list[str]:
        """Read everything, and return what is damaged, a sentence each."""
        try:
            with self._explained():
                found = [row[0] for row in self._database.execute("PRAGMA integrity_check") if row[0] != "ok"]
            for _ in self.fingerprints():
                pass
        except Rejected as error:
            return [error.reason]
        return [f"{self.path} is damaged: {damage}" for damage in found]

    def copy_to(self, path: Path) -> None:
        """Copy the file as it is at one moment."""
        with self._explained(), closing(sqlite3.connect(path)) as copy:
            self._database.backup(copy)

    def totals(self) -> Totals:
        """Return how much the file holds."""
        with self._explained():
            songs, peaks, duration_s = self._database.execute(
                "SELECT count(*), total(peaks), total(duration_s) FROM songs WHERE algorithm = ?", (ALGORITHM,)
            ).fetchone()
            everything = self._database.execute("SELECT count(*) FROM songs").fetchone()[0]
        return Totals(songs, everything - songs, int(peaks), duration_s, self.path.stat().st_size)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise Unavailable(f"{self.path} can't be used: {error}") from error
        except sqlite3.DatabaseError as error:
            raise Rejected("no_index", f"{self.path} is not an index, or damaged: {error}") from error
