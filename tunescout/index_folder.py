"""How is a file of fingerprints searched at once, without building its index anew each time?

Its index is kept in the folder ``FILE.index``, under names that tell the versions of a song apart: so the names alone
tell what is missing there and what is too much. The folder holds nothing that does not follow from the file: whoever
removes or damages it loses some seconds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from services.matcher.array_file import DamagedError
from services.matcher.index import Index, IndexStats
from services.matcher.snapshots import Snapshot, damages, is_index
from shared.errors import Rejected, Unavailable
from tunescout.index_file import IndexFile

SONGS = "songs.db"
"""The file of fingerprints in a snapshot."""

_PROCESSORS = os.cpu_count() or 1
_TRIES = 5
"""How often a folder is copied that changes meanwhile."""


def folder_of(database: Path) -> Path:
    """Return where the index of a file of fingerprints is kept."""
    return database.with_name(f"{database.name}.index")


def ready_index(index_file: IndexFile, say: Callable[[str], None]) -> Index:
    """Return the index of a file of fingerprints: the kept one, brought to the present songs.

    Where it cannot be kept, or somebody else is about to do so, it is built in memory.

    Parameters
    ----------
    index_file : IndexFile
        The open file.
    say : callable
        Is told what was damaged.
    """
    folder = folder_of(index_file.path)
    try:
        index = Index.open(folder, threads=_PROCESSORS)
    except (Unavailable, OSError):
        index = Index()
    for damage in index.damages:
        say(f"the index in {folder} is made anew: {damage}")
    wanted, present = set(index_file.identities()), {song_id for song_id, _ in index.songs()}
    for song_id in present - wanted:
        index.remove(song_id, _next_revision(index, song_id))
    if wanted - present:
        news = index_file.fingerprints(but=present)
        index.add_many(((song_id, _next_revision(index, song_id), song) for song_id, song in news), threads=_PROCESSORS)
    if wanted != present:
        index.merge(fully=True)
    try:
        index.save()
    except OSError as error:
        say(f"the index can't be kept in {folder}: {error}")
    index.close()
    return index


def _next_revision(index: Index, song_id: str) -> int:
    known = index.revision(song_id)
    return 0 if known is None else known + 1


def stats(folder: Path) -> IndexStats:
    """Return how large the index in a folder is.

    Raises
    ------
    Rejected
        ``no_index`` where there is none, ``damaged_index``.
    Unavailable
        It is in use.
    """
    index = Index.open(_existing(folder))
    index.close()
    if index.damages:
        raise Rejected("damaged_index", "; ".join(index.damages))
    return index.stats()


def verify(source: Path) -> list[str]:
    """Read all of a file of fingerprints and its index, or all of an index, and return what is damaged.

    Raises
    ------
    Rejected
        ``no_index`` where there is none.
    """
    if source.is_dir():
        return list(damages(_existing(source), _PROCESSORS))
    with IndexFile(source) as index_file:
        found = index_file.damages()
    folder = folder_of(source)
    return found + [f"{folder.name}: {damage}" for damage in (damages(folder, _PROCESSORS) if is_index(folder) else ())]


def snapshot(source: Path, target: Path) -> None:
    """Copy a file of fingerprints and its index, or an index alone, to a new folder; others may use it meanwhile.

    Raises
    ------
    Rejected
        ``no_index`` where there is nothing to copy, ``index_exists`` where the target is not new, ``damaged_index``.
    """
    if target.exists():
        raise Rejected("index_exists", f"{target} is there already")
    if source.is_dir():
        _copied(_existing(source), target)
        return
    with IndexFile(source) as index_file:
        ready_index(index_file, lambda _: None)
        _copied(folder_of(source), target)
        index_file.copy_to(target / SONGS)


def restore(source: Path, target: Path) -> None:
    """Make a file of fingerprints and its index, or an index alone, of what `snapshot` has copied.

    Raises
    ------
    Rejected
        ``no_index`` where there is nothing to copy, ``index_exists`` where the target is not new, ``damaged_index``.
    """
    if target.exists():
        raise Rejected("index_exists", f"{target} is there already")
    if not (source / SONGS).exists():
        _copied(_existing(source), target)
        return
    with IndexFile(source / SONGS) as index_file:
        _copied(source, folder_of(target))
        index_file.copy_to(target)


def _copied(source: Path, target: Path) -> None:
    for trial in range(_TRIES):
        state = None
        try:
            state = Snapshot.of(source)
            state.copy_to(target, _PROCESSORS)
        except (DamagedError, FileNotFoundError) as error:
            shutil.rmtree(target, ignore_errors=True)
            # Files that are not needed any more are removed, and the state that named them is not the last one.
            if trial + 1 == _TRIES or state is None or state.is_last():
                raise Rejected("damaged_index", f"{source} can't be copied: {error}") from error
        else:
            return


def _existing(folder: Path) -> Path:
    if not is_index(folder):
        raise Rejected("no_index", f"there is no index in {folder}")
    return folder
