"""How are songs added, removed, searched and kept, all at the same time?

The index is a log-structured merge tree. Its state is a tuple of immutable segments: large ones that are mapped from
files, and small ones in memory. Whoever changes it publishes another tuple; a search takes the one that it finds and
needs no lock. What is in the folder changes only by `Index.save`, from one state to a later one, at once.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.matcher import merge
from services.matcher.array_file import DamagedError
from services.matcher.comparison import Agreement, agreements
from services.matcher.disk import DISK, Disk
from services.matcher.explanation import aligned_peaks
from services.matcher.landmarks import song_landmarks
from services.matcher.manifest import (
    MANIFEST,
    SEGMENTS,
    Entry,
    Manifest,
    Stamp,
    open_segment,
    read_verified,
    stamp,
    write_verified,
)
from services.matcher.scoring import answer_threshold
from services.matcher.search import Place, best_places
from services.matcher.segment import MOST_PARTS, MOST_POSTINGS, Columns, Segment
from services.matcher.snapshots import Snapshot
from services.matcher.song_table import song_key, virtual_shards
from services.matcher.tombstones import Tombstones
from shared.confidence import confidence
from shared.errors import Unavailable
from shared.events import Comparison, Match
from shared.fingerprint import ALGORITHM, FRAME_RATE_HZ, Fingerprint
from shared.sharding import VIRTUAL_SHARDS

_SMALL = 64
"""Parts up to which segments are merged right when a song is added, and stay in memory until the index is saved;
`merge` takes care of larger ones."""

_TOO_MANY_REMOVED = 0.2
"""Share of removed parts from which on a segment is written anew."""

_SONGS_AT_ONCE = 256
"""Songs that become one segment when many are added."""

_MOST_SEGMENTS = 12
"""Segments in memory from which on they are merged when many songs are added."""

_PROCESSORS = os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class IndexStats:
    """How large the index is."""

    songs: int
    segments: int
    postings: int
    removed_parts: int
    size_bytes: int
    disk_bytes: int


class Index:
    """Songs that can be found by a clip, or by a whole song.

    `add` and `remove` are meant for one thread, `merge` and `save` for another, `search` and `compare` for any number
    of them. An index without a folder lives in memory alone.
    """

    def __init__(self) -> None:
        self._segments: tuple[Segment, ...] = ()
        self._removed = Tombstones()
        self._counts = np.zeros(VIRTUAL_SHARDS, np.int64)
        self._sums = np.zeros(VIRTUAL_SHARDS, np.uint64)
        self._next_number = 0  # a number is never used twice
        self._writing = threading.Lock()
        self._merging = threading.Lock()
        self._claimed = 0  # leading segments that a merge is reading, and that nobody else may merge
        self._removed_meanwhile: list[str] = []
        self._folder: Path | None = None
        self._disk = DISK
        self._verified: dict[str, Stamp] = {}
        self._pinned: Counter[str] = Counter()
        self._changes = 0
        self._saved_changes = -1
        self._saved: tuple[str, ...] = ()  # names of files
        self._damages: tuple[str, ...] = ()
        self._unlock: Callable[[], object] = lambda: None

    @classmethod
    def open(cls, folder: Path, *, threads: int = _PROCESSORS, disk: Disk = DISK) -> Self:
        """Return the index that a folder holds, as it was saved last; an empty one if there is none.

        A file that this machine has read or written before, and that nobody has touched since, is mapped and not read
        again; see `verify`. What is damaged is told by `damages`, and its songs are not in the index: add them again.

        Parameters
        ----------
        folder : Path
            It is made if there is none. Only one index can have it open.
        threads : int
            How many read files at the same time.
        disk : Disk
            What writes.

        Raises
        ------
        Unavailable
            Another index has the folder open.
        """
        index = cls()
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        index._unlock = weakref.finalize(index, os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            index.close()
            raise Unavailable(f"the index in {folder} is in use") from error
        index._folder, index._disk = folder, disk
        index._load(threads)
        return index

    def _load(self, threads: int) -> None:
        assert self._folder is not None
        is_new = not (self._folder / MANIFEST).exists() and not any(self._folder.glob(SEGMENTS))
        try:
            manifest = Manifest() if is_new else Manifest.read(self._folder)
        except DamagedError as error:
            manifest, self._damages = Manifest(), (f"{error}; nothing is known of any song",)
        known = read_verified(self._folder)
        self._saved = tuple(entry.name for entry in manifest.entries)
        self._verified = {entry.name: known[entry.name] for entry in manifest.entries if entry.name in known}
        self._removed = Tombstones(manifest.removed)
        for entry in manifest.entries:
            try:
                self._publish(open_segment(self._folder, entry, self._verified, threads))
            except DamagedError as error:
                self._damages += (str(error),)
        self._changes = len(self._damages)
        self._saved_changes = 0
        if is_new:
            self._commit(manifest)  # from now on a folder without a manifest is a damaged one
        elif self._verified != known:
            write_verified(self._folder, self._verified, self._disk)
        if not self._damages:
            self._tidy()

    def _publish(self, segment: Segment) -> None:
        self._segments += (self._numbered(segment),)
        self._count(segment, np.flatnonzero(segment.alive), 1)

    def _numbered(self, segment: Segment) -> Segment:
        base = self._next_number
        self._next_number += len(segment.table)
        return segment.numbered(base)

    def _count(self, segment: Segment, rows: NDArray[np.integer], sign: int) -> None:
        virtual = virtual_shards(segment.table.keys[rows])
        np.add.at(self._counts, virtual, sign)
        (np.add if sign > 0 else np.subtract).at(self._sums, virtual, segment.digests[rows])
        self._changes += 1

    @classmethod
    def of_songs(cls, songs: Iterable[tuple[str, Fingerprint]], *, threads: int) -> Self:
        """Return an index in memory of many songs, each in revision 0.

        Raises
        ------
        ValueError
            A fingerprint is of another algorithm.
        """
        index = cls()
        index.add_many(((song_id, 0, fingerprint) for song_id, fingerprint in songs), threads=threads)
        index.merge(fully=True)
        return index

    def add(self, song_id: str, revision: int, fingerprint: Fingerprint) -> bool:
        """Make a song findable; an older revision of it is replaced.

        Returns
        -------
        bool
            False where this or a newer revision is already known, also as removed: nothing has changed then.

        Raises
        ------
        ValueError
            The fingerprint is of another algorithm.
        """
        return self.add_many([(song_id, revision, fingerprint)], threads=1) == 1

    def add_many(self, songs: Iterable[tuple[str, int, Fingerprint]], *, threads: int = _PROCESSORS) -> int:
        """Make several songs findable, or many: faster than one by one.

        Parameters
        ----------
        songs : iterable of (str, int, Fingerprint)
            Name and revision of each.
        threads : int
            How many songs are worked on at the same time.

        Returns
        -------
        int
            How many of them were news.

        Raises
        ------
        ValueError
            A fingerprint is of another algorithm.
        """
        added, songs = 0, iter(songs)
        with ThreadPoolExecutor(threads) as pool:
            while batch := list(islice(songs, _SONGS_AT_ONCE)):
                newest = {song[0]: song for song in sorted(batch, key=lambda song: song[1])}
                columns = pool.map(lambda song: _columns(*song), newest.values())
                added += self.adopt(Segment.of_columns(Columns.joined(list(columns))))
                is_full = len(batch) == _SONGS_AT_ONCE  # a few songs shall not wait for a merge
                if is_full and sum(one.file is None for one in self._segments) > _MOST_SEGMENTS:
                    self.merge()
        return added

    def adopt(self, segment: Segment) -> int:
        """Make the songs of a segment findable, except those of which this or a newer revision is known.

        Returns
        -------
        int
            How many of them were news.
        """
        with self._writing:
            keys, outdated = segment.table.keys, []
            for row in np.flatnonzero(self._may_know(keys)).tolist():
                song_id, key = segment.table.song_id(row), keys[row]
                if segment.table.revisions[row] <= self._known_revision(song_id, key):
                    outdated.append(row)
                else:
                    self._drop(song_id, key)
                    self._removed.drop(song_id, key)
            segment = segment.without(outdated) if outdated else segment
            if segment.alive.any():
                self._publish(segment)
                self._merge_last()
        return int(np.count_nonzero(segment.alive))

    def _merge_last(self) -> None:
        """Merge the last segments, if they are small: all at once, for a segment costs more than the songs in it."""
        first, parts = len(self._segments) - 1, len(self._segments[-1].rows)
        while first > self._claimed and _belongs_to(self._segments[first - 1], parts):
            first -= 1
            parts += len(self._segments[first].rows)
        if first < len(self._segments) - 1:
            self._segments = (*self._segments[:first], self._numbered(merge.merged(self._segments[first:])))

    def _may_know(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        tables = [segment.table for segment in self._segments] + [self._removed.packed()]
        known = np.zeros(len(keys), np.bool_)
        for table in tables:
            if len(table):
                places = np.minimum(np.searchsorted(table.keys, keys), len(table) - 1)
                known |= table.keys[places] == keys
        return known

    def remove(self, song_id: str, revision: int) -> bool:
        """Make a song unfindable, and remember that: additions up to this revision are refused from now on.

        Returns
        -------
        bool
            False where this or a newer revision is already known: nothing has changed then.
        """
        key = song_key(song_id)
        with self._writing:
            if revision <= self._known_revision(song_id, key):
                return False
            self._drop(song_id, key)
            self._removed.put(song_id, key, revision)
            self._changes += 1
        return True

    def _drop(self, song_id: str, key: np.uint64) -> None:
        """Take a song out of the segment that holds it, if there is one."""
        for place, segment in enumerate(self._segments):
            row = segment.find(song_id, key)
            if row is not None:
                self._count(segment, np.array([row]), -1)
                self._segments = (*self._segments[:place], segment.without([row]), *self._segments[place + 1 :])
                if self._claimed:
                    self._removed_meanwhile.append(song_id)

    def revision(self, song_id: str) -> int | None:
        """Return the revision in which a song was added or removed last, or None."""
        with self._writing:
            known = self._known_revision(song_id, song_key(song_id))
        return None if known < 0 else known

    def _known_revision(self, song_id: str, key: np.uint64) -> int:
        known = self._removed.revision(song_id, key)
        for segment in self._segments:
            row = segment.find(song_id, key)
            if row is not None:
                known = max(known, int(segment.table.revisions[row]))
        return known

    def __contains__(self, song_id: str) -> bool:
        key = song_key(song_id)
        return any(segment.find(song_id, key) is not None for segment in self._segments)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The present state, which later changes leave as it is."""
        return self._segments

    @property
    def song_count(self) -> int:
        """How many songs can be found."""
        return int(self._counts.sum())

    @property
    def damages(self) -> tuple[str, ...]:
        """What was found damaged, a sentence each."""
        return self._damages

    def digests(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Return the number of songs that can be found in each virtual shard, and the sum of their digests.

        Returns
        -------
        counts : int64 [shape=(VIRTUAL_SHARDS,)]
            Songs.
        sums : uint64 [shape=(VIRTUAL_SHARDS,)]
            Sum of the `entry_digest` of each, modulo ``2**64``.
        """
        with self._writing:
            return self._counts.copy(), self._sums.copy()

    def songs(self) -> Iterator[tuple[str, int]]:
        """Iterate over the songs that can be found, and their revisions."""
        for virtual in range(VIRTUAL_SHARDS):
            yield from self.song_ids_of(virtual)

    def song_ids_of(self, virtual: int) -> Iterator[tuple[str, int]]:
        """Iterate over the songs of a virtual shard that can be found, and their revisions."""
        for segment in self._segments:
            for row in segment.table.rows_of(virtual):
                if segment.alive[row]:
                    yield segment.table.song_id(row), int(segment.table.revisions[row])

    def search(
        self, clip: Fingerprint, *, limit: int = 5, catalogue_size: int | None = None, explain: bool = False
    ) -> list[Match]:
        """Return the songs that a clip may be from, best first.

        Parameters
        ----------
        clip : Fingerprint
            At clip density; of a clip longer than 8 minutes only the beginning is searched.
        limit : int
            How many songs to return at most.
        catalogue_size : int, optional
            Songs in the whole catalogue, where this index holds a part of it: the more songs, the likelier is chance.
        explain : bool
            Whether each answer tells which peaks lie together.

        Raises
        ------
        ValueError
            The fingerprint is of another algorithm.
        """
        size = self.song_count if catalogue_size is None else catalogue_size
        places = best_places(self._segments, _comparable(clip), answer_threshold(size))
        scores = [place.score for place in places]
        matches = [
            _match(place, max(scores[:rank] + scores[rank + 1 :][:1], default=0.0), size)
            for rank, place in enumerate(places[:limit])
        ]
        if not explain:
            return matches
        return [
            match.model_copy(update={"aligned": aligned_peaks(place, clip)}) if match.is_answer else match
            for match, place in zip(matches, places, strict=False)
        ]

    def compare(
        self, song_id: str, song: Fingerprint, *, among: Mapping[str, Fingerprint] | None = None
    ) -> list[Comparison]:
        """Return the songs that overlap with a whole new song, best first.

        Parameters
        ----------
        song_id : str
            The new song; it is never compared with itself.
        song : Fingerprint
            At song density.
        among : mapping of str to Fingerprint, optional
            Other songs to compare with, that need not be in the index.

        Raises
        ------
        ValueError
            A fingerprint is of another algorithm.
        """
        _comparable(song)
        compared: dict[str, Agreement] = {}
        for segment in self._segments:
            for number, agreement in agreements(segment, song).items():
                compared[segment.song_id(number)] = agreement
        for other_id, other in (among or {}).items():
            if other_id not in compared:
                segment = Segment.of_columns(_columns(other_id, 0, other))
                compared |= dict.fromkeys([other_id], found) if (found := agreements(segment, song).get(0)) else {}
        compared.pop(song_id, None)
        overlapping = [(other, found) for other, found in compared.items() if found.relation != "different"]
        overlapping.sort(key=lambda pair: (pair[1].relation != "same_recording", -pair[1].score))
        return [_comparison(other, agreement) for other, agreement in overlapping]

    def merge(self, *, fully: bool = False) -> None:
        """Merge segments so that few are left, and forget the removed songs. Meant for a background thread.

        Searches, additions and removals go on meanwhile. Every segment that is left is more than twice as large as all
        later ones together, so a posting is merged again only a logarithmic number of times. Files stay as they are
        until the index is saved.

        Parameters
        ----------
        fully : bool
            Whether to merge as much as fits into one segment, however large: worth it when no more songs are to come.
        """
        with self._merging:
            self._check(everything=False)
            with self._writing:
                old = self._claim()
            try:
                new = [self._compacted(group) for group in _groups(old, fully=fully)]
                self._replace(old, new)
            finally:
                self._claimed = 0

    def save(self) -> None:
        """Make the present state the one that is opened next time; an index without a folder has none.

        Searches, additions and removals go on meanwhile. After a crash at any moment, the state before or this one is
        opened.

        Raises
        ------
        OSError
            The disk is full or broken: nothing is lost in memory, nor of what was saved before.
        """
        if self._folder is None:
            return
        with self._merging:
            with self._writing:
                removed, changes, old = self._removed.packed(), self._changes, self._claim()
            try:
                new = [segment for segment in old if segment.file is not None and segment.alive.any()]
                if changes != self._saved_changes or {Entry.of(segment).name for segment in new} != set(self._saved):
                    fresh = [segment for segment in old if segment.file is None and segment.alive.any()]
                    new += [self._written(group) for group in _groups(fresh, fully=True)]
                    self._commit(Manifest([Entry.of(segment) for segment in new], removed))
                    self._replace(old, new)
                    self._saved_changes = changes
                    self._tidy()
            finally:
                self._claimed = 0

    def _commit(self, manifest: Manifest) -> None:
        assert self._folder is not None
        manifest.write(self._folder, self._disk)
        self._saved = tuple(entry.name for entry in manifest.entries)
        self._verified = {name: self._verified[name] for name in self._saved}
        write_verified(self._folder, self._verified, self._disk)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Save the index, and keep that state on the disk until the block ends.

        Raises
        ------
        OSError
            The disk is full or broken.
        """
        if self._folder is None:
            raise ValueError("an index without a folder has no snapshot")
        self.save()
        with self._merging:
            held = Snapshot(self._folder, self._saved, (self._folder / MANIFEST).read_bytes())
            self._pinned.update(held.segments)
        try:
            yield held
        finally:
            with self._merging:
                self._pinned.subtract(held.segments)
                self._tidy()

    def verify(self, *, threads: int = 1) -> tuple[str, ...]:
        """Read all files, and take out of the index what is damaged. Meant for a background thread.

        Files that nobody has touched are not read when they are opened; this finds what the disk itself has lost.

        Returns
        -------
        tuple of str
            What was found, a sentence each; `damages` tells it from now on too.
        """
        with self._merging:
            return self._check(everything=True, threads=threads)

    def _check(self, *, everything: bool, threads: int = 1) -> tuple[str, ...]:
        """Take out of the index what is damaged, having read all files, or those that were touched."""
        found = []
        for segment in self._segments:
            file = segment.file
            if file is None:
                continue
            try:
                present = stamp(file.path)
                if everything or present != self._verified[file.path.name]:
                    file.verify(threads)
                    self._verified[file.path.name] = present
            except (DamagedError, OSError) as error:
                found.append(str(error))
                with self._writing:
                    self._forget(segment)
        self._damages += tuple(found)
        return tuple(found)

    def _forget(self, lost: Segment) -> None:
        """Take a segment out of the index; what its songs are is not known any more."""
        for segment in self._segments:
            if segment.base == lost.base:
                self._count(segment, np.flatnonzero(segment.alive), -1)
        self._segments = tuple(segment for segment in self._segments if segment.base != lost.base)

    def close(self) -> None:
        """Let others open the folder. This index can be searched still, but not saved any more."""
        self._folder = None
        self._unlock()

    def stats(self) -> IndexStats:
        """Return how large the index is."""
        segments = self._segments
        files = [segment.file.size_bytes for segment in segments if segment.file is not None]
        return IndexStats(
            songs=self.song_count,
            segments=len(segments),
            postings=sum(len(segment.postings) for segment in segments),
            removed_parts=sum(segment.removed_parts for segment in segments),
            size_bytes=sum(segment.size_bytes for segment in segments),
            disk_bytes=sum(files),
        )

    def _claim(self) -> tuple[Segment, ...]:
        """Return the present segments, which nobody else may merge from now on."""
        self._claimed = len(self._segments)
        self._removed_meanwhile = []
        return self._segments

    def _replace(self, old: tuple[Segment, ...], new: Sequence[Segment]) -> None:
        """Put segments in the place of others that held the same songs, some of which were removed meanwhile."""
        kept = {id(segment) for segment in old}
        with self._writing:
            replaced = []
            for segment in new:
                present = segment if id(segment) in kept else self._numbered(segment)
                found = (present.find(song_id) for song_id in self._removed_meanwhile)
                gone = [row for row in found if row is not None]
                replaced.append(present.without(gone) if gone else present)
            self._segments = (*replaced, *self._segments[len(old) :])

    def _compacted(self, group: Sequence[Segment]) -> Segment:
        only = group[0]
        if len(group) == 1 and only.removed_parts <= _TOO_MANY_REMOVED * len(only.rows):
            return only
        is_small = all(one.file is None for one in group) and sum(len(one.rows) for one in group) <= _SMALL
        return merge.merged(group) if is_small or self._folder is None else self._written(group)

    def _written(self, group: Sequence[Segment]) -> Segment:
        """Return several segments merged into a file."""
        assert self._folder is not None
        path = self._folder / f"{secrets.token_hex(8)}.segment"
        segment = merge.merged(group, path, self._disk)
        self._verified[path.name] = stamp(path)
        return segment

    def _tidy(self) -> None:
        """Remove files that belong neither to the present state, nor to the saved one, nor to a snapshot."""
        if self._folder is None:
            return
        present = {segment.file.path.name for segment in self._segments if segment.file is not None}
        needed = present | set(self._saved) | {name for name, pins in self._pinned.items() if pins > 0}
        for path in [*self._folder.glob(SEGMENTS), *self._folder.glob("*.tmp")]:
            if path.name not in needed:
                self._disk.remove(path)


def warm_up() -> None:
    """Compile everything, so that the first question does not wait for it."""
    rng = np.random.default_rng(0)
    frames = np.arange(0, 1_000, 2, dtype=np.uint32)
    frequencies = rng.integers(80, 1_996, len(frames), dtype=np.uint16)
    levels = rng.integers(100, 200, len(frames), dtype=np.uint8)
    song = Fingerprint(ALGORITHM, 16.0, frames, frequencies, levels)
    index = Index()
    index.add("first", 0, song)
    index.add("second", 0, Fingerprint(ALGORITHM, 16.0, frames, frequencies[::-1].copy(), levels))
    index.merge()
    index.search(song)
    index.compare("other", song)
    index.remove("second", 1)
    index.merge()
    merge.warm_up()


def _comparable(fingerprint: Fingerprint) -> Fingerprint:
    if fingerprint.algorithm != ALGORITHM:
        raise ValueError(f"a fingerprint of {fingerprint.algorithm!r} cannot be compared with {ALGORITHM!r}")
    return fingerprint


def _columns(song_id: str, revision: int, fingerprint: Fingerprint) -> Columns:
    return Columns.of_song(song_id, revision, song_landmarks(_comparable(fingerprint)), fingerprint)


def _belongs_to(segment: Segment, later_parts: int) -> bool:
    """Tell whether a segment is to be merged with later ones that have so many parts together."""
    return segment.file is None and len(segment.rows) <= min(2 * later_parts, _SMALL - later_parts)


def _groups(segments: Sequence[Segment], *, fully: bool) -> list[Sequence[Segment]]:
    """Return neighbours that are to be merged: so that each is more than twice as large as all later ones together."""
    groups: list[list[Segment]] = []
    parts = postings = 0
    for segment in reversed(segments):
        parts, postings = parts + len(segment.rows), postings + len(segment.postings)
        is_small = len(segment.rows) <= 2 * (parts - len(segment.rows))
        if groups and (fully or is_small) and parts <= MOST_PARTS and postings <= MOST_POSTINGS:
            groups[-1].append(segment)
        else:
            groups.append([segment])
            parts, postings = len(segment.rows), len(segment.postings)
    return [group[::-1] for group in reversed(groups)]


def _match(place: Place, rival_score: float, catalogue_size: int) -> Match:
    def milliseconds(frames: float) -> int:
        return round(1_000 * frames / FRAME_RATE_HZ)

    found = place.alignment
    margin = place.score - answer_threshold(catalogue_size)
    return Match(
        song_id=place.segment.song_id(place.number),
        score=place.score,
        confidence=confidence(margin, place.score - rival_score),
        is_answer=margin >= 0,
        margin=margin,
        offset_ms=milliseconds(found.offset),
        clip_begin_ms=milliseconds(found.first / place.warp.time),
        clip_end_ms=milliseconds(found.last / place.warp.time),
        song_begin_ms=milliseconds(found.offset + found.first),
        song_end_ms=milliseconds(found.offset + found.last),
        time_skew=place.warp.time,
        pitch_skew=place.warp.pitch,
        aligned_hashes=found.heard,
    )


def _comparison(song_id: str, agreement: Agreement) -> Comparison:
    return Comparison(
        song_id=song_id,
        relation=agreement.relation,
        score=agreement.score,
        overlap=agreement.overlap,
        overlap_known=agreement.overlap_known,
        offset_ms=round(1_000 * agreement.offset / FRAME_RATE_HZ),
        time_skew=agreement.speed,
        aligned_hashes=agreement.anchors,
    )
