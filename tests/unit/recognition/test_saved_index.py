"""Is what is opened what was saved, whatever happened in between?"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher.array_file import DamagedError
from services.matcher.disk import DISK, Disk
from services.matcher.index import Index
from services.matcher.manifest import MANIFEST
from services.matcher.snapshots import Snapshot, damages
from shared.errors import Unavailable
from shared.sharding import VIRTUAL_SHARDS, entry_digest, virtual_shard
from tests.unit.recognition.fingerprints import excerpt, random_fingerprint

NAMES = ["a", "b", "a song with a longer name", "füñf/sechs 七"]
SONGS = {(song, revision): random_fingerprint(7 * song + revision, 12.0) for song in range(4) for revision in range(6)}
Known = dict[int, tuple[int, bool]]
"""Revision of each song, and whether it can be found."""


class Crash(BaseException):
    """The process ends here."""


class DyingDisk(Disk):
    """A disk of a process that is killed after some steps, in the middle of a write."""

    steps: int | None = None

    def step(self) -> None:
        if self.steps is not None:
            self.steps -= 1
            if self.steps < 0:
                raise Crash

    def create(self, path: Path) -> int:
        self.step()
        return super().create(path)

    def write(self, file: int, data: memoryview | bytes, offset: int) -> None:
        half = len(data) // 2
        super().write(file, memoryview(data)[:half], offset)
        self.step()
        super().write(file, memoryview(data)[half:], offset + half)

    def sync(self, file: int) -> None:
        self.step()
        super().sync(file)

    def rename(self, old: Path, new: Path) -> None:
        self.step()
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self.step()
        super().remove(path)


@contextmanager
def opened(folder: Path, disk: Disk = DISK) -> Iterator[Index]:
    index = Index.open(folder, threads=1, disk=disk)
    try:
        yield index
    finally:
        index.close()


def state(index: Index) -> Known:
    """Return what an index knows, having compared all its ways to tell it with each other."""
    found = {song: revision for song in range(4) if (revision := index.revision(NAMES[song])) is not None}
    known = {song: (revision, NAMES[song] in index) for song, revision in found.items()}
    live = {NAMES[song]: revision for song, (revision, is_live) in known.items() if is_live}
    counts, sums = np.zeros(VIRTUAL_SHARDS, np.int64), np.zeros(VIRTUAL_SHARDS, np.uint64)
    for name, revision in live.items():
        counts[virtual_shard(name)] += 1
        sums[virtual_shard(name)] += np.uint64(entry_digest(name, revision))
        assert (name, revision) in index.song_ids_of(virtual_shard(name))
    for told, expected in zip(index.digests(), (counts, sums), strict=True):
        np.testing.assert_array_equal(told, expected)
    assert index.song_count == len(live)
    return known


def assert_finds(index: Index, known: Known) -> None:
    """Compare the answers of an index with those of one that was made for nothing but them."""
    alone = Index()
    for song, (revision, is_live) in known.items():
        if is_live:
            alone.add(NAMES[song], revision, SONGS[song, revision])
    for song in range(4):
        clip = excerpt(SONGS[song, known.get(song, (0, False))[0]], 3, 7)
        answers = [[match for match in one.search(clip) if match.is_answer] for one in (index, alone)]
        assert [(match.song_id, match.offset_ms) for match in answers[0]] == [
            (match.song_id, match.offset_ms) for match in answers[1]
        ]
        assert bool(answers[0]) == known.get(song, (0, False))[1]


change = st.tuples(st.just("change"), st.integers(0, 3), st.sampled_from([0, 1, 2, 2, 3, 4, 4, 5]))
upkeep = st.tuples(st.sampled_from(["merge", "save", "reopen", "restore"]), st.just(0), st.just(0))
crash = st.tuples(st.just("crash"), st.integers(0, 60), st.just(0))


@settings(max_examples=40)
@given(st.lists(st.one_of(change, change, upkeep, crash), max_size=16))
def test_any_history_gives_the_index_that_was_made_for_its_outcome(history: list[tuple[str, int, int]]) -> None:
    with TemporaryDirectory() as folder:
        saved, known = live_through(Path(folder), history)
        with opened(Path(folder) / "index") as index:
            assert index.damages == ()
            assert state(index) == saved
            for song, (revision, is_live) in known.items():  # the owner adds again what was not saved
                if is_live:
                    index.add(NAMES[song], revision, SONGS[song, revision])
                else:
                    index.remove(NAMES[song], revision)
            assert state(index) == known
            assert_finds(index, known)


def live_through(folder: Path, history: list[tuple[str, int, int]]) -> tuple[Known, Known]:
    """Return what is to be opened after a history, and the newest of all that was ever added or removed."""
    saved: Known = {}
    present: Known = {}
    newest: Known = {}
    disk = DyingDisk()
    index = Index.open(folder / "index", threads=1, disk=disk)
    for verb, song, revision in history:
        match verb:
            case "change":
                is_news = revision > present.get(song, (-1, False))[0]
                if is_added := revision % 2 == 0:
                    assert index.add(NAMES[song], revision, SONGS[song, revision]) == is_news
                else:
                    assert index.remove(NAMES[song], revision) == is_news
                if is_news:
                    present[song] = (revision, is_added)
                newest[song] = max(newest.get(song, (-1, False)), (revision, is_added))
            case "merge":
                index.merge()
            case "save":
                index.save()
                saved = dict(present)
            case "crash":
                disk.steps = song
                try:
                    index.merge()
                    index.save()
                except Crash:
                    is_saved = False
                else:
                    is_saved = True
                disk.steps = None
                index.close()
                index = Index.open(folder / "index", threads=1, disk=disk)
                found = state(index)
                assert found == present if is_saved else found in (saved, present)
                saved, present = found, dict(found)
            case "restore":
                with index.snapshot() as held:
                    index.remove(NAMES[0], 9)  # comes too late for the snapshot
                    index.save()
                    held.copy_to(folder / "copy")
                index.close()
                shutil.rmtree(folder / "index")
                (folder / "copy").rename(folder / "index")
                index = Index.open(folder / "index", threads=1, disk=disk)
                saved = dict(present)
            case "reopen":
                index.close()
                index = Index.open(folder / "index", threads=1, disk=disk)
                present = dict(saved)
        assert state(index) == present
    index.close()
    return saved, newest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a saved index of two files, with one song removed and one replaced."""
    with opened(tmp_path / "index") as index:
        for song in range(3):
            index.add(NAMES[song], 0, SONGS[song, 0])
        index.save()
        index.add(NAMES[0], 1, SONGS[0, 1])
        index.add(NAMES[3], 0, SONGS[3, 0])
        index.remove(NAMES[1], 1)
        index.save()
    return tmp_path / "index"


KNOWN: Known = {0: (1, True), 1: (1, False), 2: (0, True), 3: (0, True)}


def repaired(folder: Path) -> None:
    """Do what the owner of an index does after damage, and expect everything to be right then and later."""
    with opened(folder) as index:
        for song, (revision, is_live) in KNOWN.items():
            if is_live:
                index.add(NAMES[song], revision, SONGS[song, revision])
            else:
                index.remove(NAMES[song], revision)
        assert_finds(index, KNOWN)
        index.save()
    with opened(folder) as index:
        assert index.damages == ()
        assert state(index) == KNOWN
        assert_finds(index, KNOWN)


def files(folder: Path) -> list[Path]:
    return [folder / MANIFEST, *sorted(folder.glob("*.segment"))]


def flip(path: Path, place: int, bit: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << bit)]))


def test_a_flipped_bit_anywhere_is_found_though_the_clock_was_turned_back(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for path in files(folder):
        before = path.stat()
        for place in [0, 9, 17, 25, 29, 40, before.st_size - 1, *rng.integers(0, before.st_size, 30).tolist()]:
            bit = int(rng.integers(8))
            flip(path, place, bit)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            assert [path.name in damage for damage in damages(folder)] == [True], place
            with opened(folder) as index:
                assert [path.name in damage for damage in index.damages] == [True], place
                lost = [song for song in range(4) if index.revision(NAMES[song]) is None]
                assert lost in ([0, 3], [2], [0, 1, 2, 3])
            flip(path, place, bit)
        with opened(folder) as index:
            assert (index.damages, state(index)) == ((), KNOWN)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flipped": lambda path: flip(path, path.stat().st_size // 2),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "cut by a byte": lambda path: os.truncate(path, path.stat().st_size - 1),
    "emptied": lambda path: os.truncate(path, 0),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("which", [0, 1, 2], ids=["manifest", "segment", "other segment"])
def test_damage_is_said_and_all_is_right_when_its_songs_were_added_again(folder: Path, which: int, damage: str) -> None:
    path = files(folder)[which]
    DAMAGE[damage](path)
    with opened(folder) as index:
        assert [path.name in sentence for sentence in index.damages] == [True]
        for song, (revision, is_live) in KNOWN.items():
            if is_live:
                index.add(NAMES[song], revision, SONGS[song, revision])
            else:
                index.remove(NAMES[song], revision)
        assert_finds(index, KNOWN)
        index.save()
    with opened(folder) as index:
        assert (index.damages, state(index)) == ((), KNOWN)
        assert_finds(index, KNOWN)


def test_damage_of_an_open_index_is_found_and_taken_out_and_never_merged(folder: Path) -> None:
    path = files(folder)[1]
    with opened(folder) as index:
        assert index.verify() == ()
        flip(path, path.stat().st_size // 2)
        index.merge()
        assert [path.name in sentence for sentence in index.damages] == [True]
        index.verify()
        assert len(index.damages) == 1
        for song, (revision, is_live) in KNOWN.items():
            if is_live:
                index.add(NAMES[song], revision, SONGS[song, revision])
        assert state(index) == KNOWN
        index.save()
    with opened(folder) as index:
        assert (index.damages, state(index)) == ((), KNOWN)


def test_what_was_merged_stays_merged_though_no_song_has_changed_since(folder: Path) -> None:
    with opened(folder) as index:
        index.merge(fully=True)
        index.save()
        assert len(files(folder)) == 2
    with opened(folder) as index:
        assert (index.stats().segments, state(index)) == (1, KNOWN)
        assert_finds(index, KNOWN)


def test_a_folder_is_open_once(folder: Path) -> None:
    with opened(folder), pytest.raises(Unavailable, match="in use"):
        Index.open(folder)
    with opened(folder) as index:
        assert state(index) == KNOWN


def test_a_damaged_snapshot_is_not_restored(folder: Path, tmp_path: Path) -> None:
    Snapshot.of(folder).copy_to(tmp_path / "copy")
    flip(files(tmp_path / "copy")[1], 5_000)
    with pytest.raises(DamagedError, match="damaged"):
        Snapshot.of(tmp_path / "copy").copy_to(tmp_path / "restored")
    with opened(tmp_path / "restored") as index:
        assert index.song_count == 0


def test_files_of_a_snapshot_stay_until_it_is_let_go(folder: Path) -> None:
    with opened(folder) as index:
        with index.snapshot() as held:
            for song in range(4):
                index.remove(NAMES[song], 9)
            index.save()
            assert set(held.segments) <= {path.name for path in folder.iterdir()}
        assert not list(folder.glob("*.segment"))
