"""Where do the landmarks of many songs lie, so that one of them is found at once?

A segment is a handful of arrays that never change, in memory or mapped from a file. Its postings are sorted by hash. A
posting is 32 bits: the part (a song, or 17 minutes of one) and the frame of the anchor in it. Its hash is not stored
with it: the directory tells where the postings of each hash begin. In a small segment it does so for the first 16 bits
of the hash, and a byte beside each posting holds the others; in a large one for all 24 bits, which then takes less.

Beside the postings stand the peaks of every song, against which a proposed place is proved. Searches read a segment
without any lock; what changes the index makes another segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.array_file import ArrayFile, Arrays, DamagedError, Layout
from services.matcher.evidence import indexed_peaks
from services.matcher.landmarks import HASH_BITS, Landmarks
from services.matcher.parameters import LONGEST_GAP, SHORTEST_GAP, SONG_FAN_OUT, WIDEST_LEAP
from services.matcher.song_table import SongTable, song_key
from shared.fingerprint import ALGORITHM, FRAME_RATE_HZ, Fingerprint
from shared.sharding import entry_digest

CONTENT = (
    f"{ALGORITHM}, {SONG_FAN_OUT} landmarks of {SHORTEST_GAP}-{LONGEST_GAP} frames and {WIDEST_LEAP} bins, layout 2"
)
"""What a segment holds. A file that holds anything else is made anew from the peaks; whoever changes how landmarks are
formed, or what the columns mean, raises the number."""

FRAME_BITS = 16
PART_FRAMES = 1 << FRAME_BITS
"""Frames of one part (17.5 min): longer songs are several parts."""

MOST_PARTS = 1 << 16
"""Parts that one segment can tell apart."""

MOST_POSTINGS = (1 << 32) - 1
"""Postings that one segment can count."""

REMOVED = np.int64(-1)
"""Song number of a part whose song was removed: a tombstone until the segment is merged."""

LOW_BITS = 8
"""Bits of a hash that stand beside each posting of a small segment."""

BUCKETS = 1 << (HASH_BITS - LOW_BITS)
"""Beginnings of hashes that the directory of a small segment knows."""

LARGE = BUCKETS << (LOW_BITS + 2)
"""Postings from which on a directory of all hashes takes less than a byte beside each posting does."""

Numbers = NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What some songs bring into a segment, in any order.

    Attributes
    ----------
    entries : sequence of (str, int)
        Name and revision of each song, no name twice.
    audible_s : uint32 [shape=(songs,)]
        Seconds of each song in which there is anything to compare.
    part_songs : uint32 [shape=(parts,)]
        Position of each part's song in `entries`. The parts of a song are neighbours.
    begins : uint32 [shape=(parts,)]
        Frame of its song at which each part begins, a multiple of `PART_FRAMES`.
    lengths : uint32 [shape=(parts,)]
        Frames of each part, at most `PART_FRAMES`.
    hashes, postings : uint32 [shape=(postings,)]
        Landmarks in any order: `HASH_BITS` of hash, and ``part << 16 | frame``.
    peak_counts : uint32 [shape=(parts,)]
        Peaks of each part.
    peak_frames : uint16 [shape=(peaks,)]
        Time of each peak, in frames of its part, ascending in each part.
    peak_frequencies : uint16 [shape=(peaks,)]
        Frequency and loudness of each peak, as `indexed_peaks` returns them.
    """

    entries: Sequence[tuple[str, int]]
    audible_s: Numbers
    part_songs: Numbers
    begins: Numbers
    lengths: Numbers
    hashes: Numbers
    postings: Numbers
    peak_counts: Numbers
    peak_frames: NDArray[np.uint16]
    peak_frequencies: NDArray[np.uint16]

    @classmethod
    def of_song(cls, song_id: str, revision: int, landmarks: Landmarks, song: Fingerprint) -> Columns:
        """Return what one song brings."""
        lasts = [int(times[-1]) + 1 for times in (landmarks.anchors, song.frames) if len(times)]
        frames = max(int(song.duration_s * FRAME_RATE_HZ), *lasts, 1)
        begins = np.arange(0, frames, PART_FRAMES, dtype=np.uint32)
        return cls(
            [(song_id, revision)],
            np.array([audible_seconds(landmarks)], np.uint32),
            np.zeros(len(begins), np.uint32),
            begins,
            np.minimum(frames - begins, PART_FRAMES).astype(np.uint32),
            landmarks.hashes,
            landmarks.anchors,  # part and frame, as it happens
            np.diff(np.append(np.searchsorted(song.frames, begins), len(song.frames))).astype(np.uint32),
            song.frames.astype(np.uint16),  # what is beyond 16 bits is the part
            indexed_peaks(song),
        )

    @classmethod
    def joined(cls, several: Sequence[Columns]) -> Columns:
        """Return what several bring together."""
        songs = np.cumsum([0, *(len(one.entries) for one in several)], dtype=np.uint32)
        parts = np.cumsum([0, *(len(one.begins) for one in several)], dtype=np.uint32)

        def column(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(one, name) for one in several])

        part_songs = [one.part_songs + shift for one, shift in zip(several, songs, strict=False)]
        postings = [one.postings + (shift << np.uint32(FRAME_BITS)) for one, shift in zip(several, parts, strict=False)]
        return cls(
            [entry for one in several for entry in one.entries],
            column("audible_s"),
            np.concatenate(part_songs),
            column("begins"),
            column("lengths"),
            column("hashes"),
            np.concatenate(postings),
            column("peak_counts"),
            column("peak_frames"),
            column("peak_frequencies"),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Postings and peaks of some songs.

    Attributes
    ----------
    table : SongTable
        The songs; a row in it stands for a song of this segment.
    digests : uint64 [shape=(songs,)]
        `entry_digest` of each song.
    audible_s : uint32 [shape=(songs,)]
        Seconds of each song in which there is anything to compare.
    rows : uint32 [shape=(parts,)]
        Row of each part's song. The parts of a song are neighbours.
    begins : uint32 [shape=(parts,)]
        Frame of its song at which each part begins.
    lengths : uint32 [shape=(parts,)]
        Frames of each part.
    starts : uint32 [shape=(BUCKETS + 1,) or (2**HASH_BITS + 1,)]
        Where the postings begin of all hashes with the same first 16 bits, or of each hash.
    lows : uint8 [shape=(postings,) or (0,)]
        The other 8 bits of each posting's hash, ascending for the same first 16 bits.
    postings : uint32 [shape=(postings,)]
        ``part << 16 | frame``, ascending for each hash.
    peak_starts : uint32 [shape=(parts + 1,)]
        Where the peaks of each part begin.
    peak_frames : uint16 [shape=(peaks,)]
        Time of each peak, in frames of its part.
    peak_frequencies : uint16 [shape=(peaks,)]
        Frequency and loudness of each peak, as `indexed_peaks` returns them.
    alive : bool [shape=(songs,)]
        Which songs were not removed. This and what follows is not in the file.
    base : int
        Number of the song in the first row; the others follow. The index gives every song a number of its own.
    songs : int64 [shape=(parts,)]
        Number of each part's song, or `REMOVED`.
    file : ArrayFile, optional
        Where the arrays are mapped from.
    """

    table: SongTable
    digests: NDArray[np.uint64]
    audible_s: Numbers
    rows: Numbers
    begins: Numbers
    lengths: Numbers
    starts: Numbers
    lows: NDArray[np.uint8]
    postings: Numbers
    peak_starts: Numbers
    peak_frames: NDArray[np.uint16]
    peak_frequencies: NDArray[np.uint16]
    alive: NDArray[np.bool_]
    base: int
    songs: NDArray[np.int64]
    file: ArrayFile | None = None

    @classmethod
    def of_song(cls, song_id: str, revision: int, landmarks: Landmarks, song: Fingerprint) -> Segment:
        """Return a segment that holds one song."""
        return cls.of_columns(Columns.of_song(song_id, revision, landmarks, song))

    @classmethod
    def of_columns(cls, columns: Columns) -> Segment:
        """Return a segment that holds the songs of some columns.

        Raises
        ------
        ValueError
            They have too many parts for one segment.
        """
        if len(columns.begins) > MOST_PARTS:
            raise ValueError(f"{len(columns.begins)} parts do not fit into one segment")
        table, rows = SongTable.of(columns.entries)
        digests, audible_s = np.empty(len(rows), np.uint64), np.empty(len(rows), np.uint32)
        digests[rows] = np.fromiter((entry_digest(*entry) for entry in columns.entries), np.uint64, len(rows))
        audible_s[rows] = columns.audible_s
        counts, lows, postings = by_hash(columns.hashes, columns.postings, 0, BUCKETS)
        return cls.of_arrays(
            table.arrays()
            | {
                "digests": digests,
                "audible_s": audible_s,
                "rows": rows[columns.part_songs].astype(np.uint32),
                "begins": columns.begins,
                "lengths": columns.lengths,
                "starts": starts_of(counts),
                "lows": lows,
                "postings": postings,
                "peak_starts": starts_of(columns.peak_counts),
                "peak_frames": columns.peak_frames,
                "peak_frequencies": columns.peak_frequencies,
            }
        )

    @classmethod
    def of_arrays(cls, arrays: Arrays, file: ArrayFile | None = None) -> Segment:
        """Return a segment of the arrays that a file holds.

        Raises
        ------
        DamagedError
            They do not fit together.
        """
        arrays = {name: _read_only(array) for name, array in arrays.items()}
        columns = [arrays.pop(name) for name in ("keys", "revisions", "id_starts", "ids")]
        table = SongTable(*columns)
        alive, songs = np.ones(len(table), np.bool_), arrays["rows"].astype(np.int64)
        segment = cls(table, **arrays, alive=alive, base=0, songs=_read_only(songs), file=file)
        if not segment._fits_together():
            raise DamagedError("the arrays of a segment do not fit together")
        return segment

    @classmethod
    def of_file(cls, file: ArrayFile) -> Segment:
        """Return the segment that a file holds.

        Raises
        ------
        DamagedError
            It holds no segment, or landmarks that are formed in another way.
        """
        if file.facts.get("content") != CONTENT:
            raise DamagedError(f"{file.path.name} is outdated: it holds {file.facts.get('content')}")
        return cls.of_arrays(file.arrays, file)

    def _fits_together(self) -> bool:
        table, parts = self.table, len(self.rows)
        by_song = {len(column) for column in (table.revisions, table.id_starts[1:], self.digests, self.audible_s)}
        by_part = {len(column) for column in (self.begins, self.lengths, self.peak_starts[1:])}
        lows = 0 if len(self.starts) > BUCKETS + 1 else len(self.postings)
        ends = (table.id_starts[-1], self.starts[-1], self.peak_starts[-1], self.rows.max(initial=0) + (parts > 0))
        lengths = (len(table.ids), len(self.postings), len(self.peak_frames), len(table))
        return (
            by_song == {len(table)}
            and by_part == {parts}
            and len(self.starts) in (BUCKETS + 1, (1 << HASH_BITS) + 1)
            and len(self.lows) == lows
            and len(self.peak_frequencies) == len(self.peak_frames)
            and ends == lengths
        )

    def numbered(self, base: int) -> Segment:
        """Return the same segment with other numbers for its songs; it shares all arrays but one."""
        return self._with(self.alive, base)

    def without(self, rows: Sequence[int] | NDArray[np.integer]) -> Segment:
        """Return the same segment with some songs removed; it shares all arrays but two."""
        alive = self.alive.copy()
        alive[rows] = False
        return self._with(alive, self.base)

    def _with(self, alive: NDArray[np.bool_], base: int) -> Segment:
        songs = np.where(alive[self.rows], self.rows + np.int64(base), REMOVED)
        return replace(self, alive=_read_only(alive), base=base, songs=_read_only(songs))

    def find(self, song_id: str, key: np.uint64 | None = None) -> int | None:
        """Return the row of a song that was not removed, or None."""
        row = self.table.find(song_id, song_key(song_id) if key is None else key)
        return row if row is not None and self.alive[row] else None

    def song_id(self, number: int) -> str:
        """Return the name of the song with a number."""
        return self.table.song_id(number - self.base)

    def audible_seconds(self, number: int) -> int:
        """Return in how many seconds of a song there is anything to compare."""
        return int(self.audible_s[number - self.base])

    def peaks(self, part: int, begin: int = 0, end: int = 1 << 32) -> tuple[Numbers, NDArray[np.uint16]]:
        """Return the peaks of the song that a part belongs to, between two of its frames.

        No more of them is read than that, for it may have to come from the disk.

        Returns
        -------
        frames : uint32 [shape=(peaks,)]
            In frames of the song.
        peaks : uint16 [shape=(peaks,)]
            As `indexed_peaks` returns them.
        """
        return _peaks(
            self.rows, self.begins, self.peak_starts, self.peak_frames, self.peak_frequencies, part, max(begin, 0), end
        )

    @property
    def removed_parts(self) -> int:
        """How many parts belong to songs that were removed."""
        return int(np.count_nonzero(self.songs == REMOVED))

    @property
    def size_bytes(self) -> int:
        """Memory of the arrays, in a file or not."""
        return sum(array.nbytes for array in (*self.arrays().values(), self.alive, self.songs))

    def arrays(self) -> Arrays:
        """Return the arrays that a file holds, by their names."""
        return self.table.arrays() | {name: getattr(self, name) for name in _STORED}


def layout_of(songs: int, id_bytes: int, parts: int, postings: int, peaks: int, *, is_large: bool) -> Layout:
    """Return what arrays a segment of some size has."""
    return {
        "keys": ("<u8", songs),
        "revisions": ("<i8", songs),
        "id_starts": ("<u4", songs + 1),
        "ids": ("|u1", id_bytes),
        "digests": ("<u8", songs),
        "audible_s": ("<u4", songs),
        "rows": ("<u4", parts),
        "begins": ("<u4", parts),
        "lengths": ("<u4", parts),
        "starts": ("<u4", (1 << HASH_BITS if is_large else BUCKETS) + 1),
        "lows": ("|u1", 0 if is_large else postings),
        "postings": ("<u4", postings),
        "peak_starts": ("<u4", parts + 1),
        "peak_frames": ("<u2", peaks),
        "peak_frequencies": ("<u2", peaks),
    }


def audible_seconds(landmarks: Landmarks) -> int:
    """Return in how many seconds of a song there is anything to compare."""
    return len(np.unique((landmarks.anchors / FRAME_RATE_HZ).astype(np.int64)))


def starts_of(counts: NDArray[np.integer]) -> Numbers:
    """Return where each of some neighbours begins that have so many items, and where the last one ends."""
    return np.append(np.uint32(0), np.cumsum(counts, dtype=np.uint32))


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    # Arrays that are mapped from a file cannot be written: so all have the one type for which loops are compiled.
    array = array.view()
    array.flags.writeable = False
    return array


@njit(cache=True, nogil=True)
def by_hash(
    hashes: Numbers, postings: Numbers, first: int, buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8], Numbers]:
    """Sort postings by hash, and leave those of one hash in the order in which they are.

    A radix sort: first by the low 8 bits, then by the others.

    Parameters
    ----------
    hashes, postings : uint32 [shape=(postings,)]
        In any order.
    first, buckets : int
        The first bucket, and how many of them the hashes are in.

    Returns
    -------
    counts : int64 [shape=(buckets,)]
        Postings of each bucket.
    lows : uint8 [shape=(postings,)]
        Low bits of each posting's hash.
    postings : uint32 [shape=(postings,)]
        Sorted.
    """
    places = np.zeros((1 << LOW_BITS) + 1, np.int64)
    for i in range(len(hashes)):
        places[(hashes[i] & 0xFF) + 1] += 1
    places = np.cumsum(places)
    hashes_by_low, postings_by_low = np.empty_like(hashes), np.empty_like(postings)
    for i in range(len(hashes)):
        place = places[hashes[i] & 0xFF]
        places[hashes[i] & 0xFF] += 1
        hashes_by_low[place], postings_by_low[place] = hashes[i], postings[i]
    counts = np.zeros(buckets, np.int64)
    for i in range(len(hashes)):
        counts[(hashes[i] >> LOW_BITS) - first] += 1
    places = np.cumsum(counts) - counts
    lows, ordered = np.empty(len(hashes), np.uint8), np.empty(len(hashes), np.uint32)
    for i in range(len(hashes)):
        bucket = (hashes_by_low[i] >> LOW_BITS) - first
        place = places[bucket]
        places[bucket] += 1
        lows[place], ordered[place] = hashes_by_low[i] & 0xFF, postings_by_low[i]
    return counts, lows, ordered


@njit(cache=True, nogil=True)
def posting_range(starts: Numbers, lows: NDArray[np.uint8], wanted: int) -> tuple[int, int]:
    """Return where the postings of a hash, and of the same hash with a gap one frame shorter or longer, begin and end.

    The three are neighbours, because the gap is the lowest field of a hash, and in one bucket, because no gap is 0 or
    127.
    """
    if len(starts) > BUCKETS + 1:
        return int(np.int64(starts[wanted - 1])), int(np.int64(starts[wanted + 2]))  # int() alone makes it unsigned
    bucket = wanted >> LOW_BITS
    begin, end = int(np.int64(starts[bucket])), int(np.int64(starts[bucket + 1]))
    low = (wanted & 0xFF) - 1
    begin = _first_at_least(lows, begin, end, low)
    return begin, _first_at_least(lows, begin, end, low + 3)


@njit(cache=True, nogil=True)
def _first_at_least(lows: NDArray[np.uint8], begin: int, end: int, low: int) -> int:
    while begin < end:
        middle = (begin + end) >> 1
        if lows[middle] < low:
            begin = middle + 1
        else:
            end = middle
    return begin


@njit(cache=True, nogil=True)
def _peaks(
    rows: Numbers,
    begins: Numbers,
    peak_starts: Numbers,
    peak_frames: NDArray[np.uint16],
    peak_frequencies: NDArray[np.uint16],
    part: int,
    begin: int,
    end: int,
) -> tuple[Numbers, NDArray[np.uint16]]:
    """Return times and frequencies of the peaks of a part's song between two frames of it."""
    one = part - np.int64(begins[part]) // PART_FRAMES + begin // PART_FRAMES
    first = last = np.int64(0)
    frames, frequencies = np.empty(0, np.uint32), np.empty(0, np.uint16)
    while one < len(rows) and rows[one] == rows[part] and begins[one] < end:
        shift = np.int64(begins[one])
        first, last = np.int64(peak_starts[one]), np.int64(peak_starts[one + 1])
        own = peak_frames[first:last]
        last = first + np.searchsorted(own, end - shift)
        first += np.searchsorted(own, begin - shift)
        frames = np.append(frames, peak_frames[first:last] + np.uint32(shift))
        frequencies = np.append(frequencies, peak_frequencies[first:last])
        one += 1
    return frames, frequencies


_STORED = [one.name for one in fields(Segment) if one.name not in ("table", "alive", "base", "songs", "file")]
