"""Where do the landmarks of many songs lie, so that one of them is found at once?

A segment is a handful of arrays that never change: the hashes that occur, sorted, and for each of them its postings.
A posting is 32 bits: the part (a song, or 17 minutes of one) and the frame of the anchor in it. Beside them stand the
peaks of every song, against which a proposed place is proved. Searches read a segment without any lock; what changes
the index makes another segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.landmarks import HASH_BITS, Landmarks
from shared.fingerprint import FRAME_RATE_HZ, Fingerprint

FRAME_BITS = 16
PART_FRAMES = 1 << FRAME_BITS
"""Frames of one part (17.5 min): longer songs are several parts."""

MOST_PARTS = 1 << 16
"""Parts that one segment can tell apart."""

REMOVED = np.uint32(0xFFFF_FFFF)
"""Song number of a part whose song was removed: a tombstone until the segment is merged."""

Numbers = NDArray[np.uint32]


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Postings of some songs.

    Attributes
    ----------
    hashes : uint32 [shape=(hashes,)]
        Hashes that occur, ascending.
    starts : uint32 [shape=(hashes + 1,)]
        Where the postings of each hash begin.
    postings : uint32 [shape=(postings,)]
        ``part << 16 | frame``, ascending for each hash.
    buckets : uint32 [shape=(2**n + 1,)]
        Where the hashes with the same first n bits begin, so that a search in `hashes` takes few steps.
    songs : uint32 [shape=(parts,)]
        Number of the song of each part, or `REMOVED`.
    begins : uint32 [shape=(parts,)]
        Frame of its song at which each part begins.
    lengths : uint32 [shape=(parts,)]
        Frames of each part.
    peak_starts : uint32 [shape=(parts + 1,)]
        Where the peaks of each part begin. The parts of a song are neighbours, and so are its peaks.
    peak_frames : uint32 [shape=(peaks,)]
        Time of each peak, in frames of its song.
    peak_frequencies : uint16 [shape=(peaks,)]
        Frequency of each peak, in quarters of a bin.
    """

    hashes: Numbers
    starts: Numbers
    postings: Numbers
    buckets: Numbers
    songs: Numbers
    begins: Numbers
    lengths: Numbers
    peak_starts: Numbers
    peak_frames: Numbers
    peak_frequencies: NDArray[np.uint16]

    @classmethod
    def of_song(cls, number: int, landmarks: Landmarks, song: Fingerprint) -> Segment:
        """Return a segment that holds one song under a number."""
        frames = max(
            int(song.duration_s * FRAME_RATE_HZ), int(landmarks.anchors[-1]) + 1 if len(landmarks.anchors) else 1
        )
        begins = np.arange(0, frames, PART_FRAMES, dtype=np.uint32)
        keys = landmarks.hashes.astype(np.uint64) << np.uint64(32) | landmarks.anchors  # part and frame, as it happens
        keys.sort()
        postings = keys.astype(np.uint32)
        hashes = (keys >> np.uint64(32)).astype(np.uint32)
        firsts = np.flatnonzero(np.diff(hashes, prepend=REMOVED))
        starts = np.append(firsts, len(postings)).astype(np.uint32)
        return cls(
            hashes[firsts],
            starts,
            postings,
            _buckets(hashes[firsts]),
            np.full(len(begins), number, np.uint32),
            begins,
            np.minimum(frames - begins, PART_FRAMES).astype(np.uint32),
            np.append(np.searchsorted(song.frames, begins), len(song.frames)).astype(np.uint32),
            song.frames,
            song.frequencies,
        )

    def peaks(self, part: int) -> tuple[Numbers, NDArray[np.uint16]]:
        """Return times and frequencies of all peaks of the song that a part belongs to."""
        first = last = part
        while first > 0 and self.begins[first] > 0:
            first -= 1
        while last + 1 < len(self.begins) and self.begins[last + 1] > 0:
            last += 1
        own = slice(int(self.peak_starts[first]), int(self.peak_starts[last + 1]))
        return self.peak_frames[own], self.peak_frequencies[own]

    def without(self, numbers: Iterable[int]) -> Segment:
        """Return the same segment with some songs removed; it shares all arrays but one."""
        removed = np.isin(self.songs, np.fromiter(numbers, np.uint32))
        return replace(self, songs=np.where(removed, REMOVED, self.songs)) if removed.any() else self

    @property
    def removed_parts(self) -> int:
        """How many parts belong to songs that were removed."""
        return int(np.count_nonzero(self.songs == REMOVED))

    @property
    def size_bytes(self) -> int:
        """Memory of the arrays."""
        return sum(array.nbytes for array in self._arrays())

    def _arrays(self) -> Iterator[NDArray[Any]]:
        yield from (getattr(self, one.name) for one in fields(self))


def merged(segments: Sequence[Segment]) -> Segment:
    """Return one segment that holds the songs of all given ones, without those that were removed.

    Neighbours are merged in pairs, so that each posting is copied about log2(segments) times and never sorted.
    """
    level = list(segments)
    while len(level) > 1:
        pairs = [_merged_pair(*level[i : i + 2]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[2 * len(pairs) :]
    return level[0] if not level[0].removed_parts else _merged_pair(level[0], EMPTY)


def _merged_pair(first: Segment, second: Segment) -> Segment:
    kept = [segment.songs != REMOVED for segment in (first, second)]
    parts = int(kept[0].sum()) + int(kept[1].sum())
    if parts > MOST_PARTS:
        raise ValueError(f"{parts} parts do not fit into one segment")
    numbering = np.cumsum(np.concatenate(kept)) - 1
    hashes, starts, postings = _merged_postings(
        first.hashes,
        first.starts,
        first.postings,
        np.where(kept[0], numbering[: len(kept[0])], -1),
        second.hashes,
        second.starts,
        second.postings,
        np.where(kept[1], numbering[len(kept[0]) :], -1),
    )
    return Segment(
        hashes,
        starts,
        postings,
        _buckets(hashes),
        np.concatenate((first.songs[kept[0]], second.songs[kept[1]])),
        np.concatenate((first.begins[kept[0]], second.begins[kept[1]])),
        np.concatenate((first.lengths[kept[0]], second.lengths[kept[1]])),
        *_merged_peaks(first, kept[0], second, kept[1]),
    )


def _merged_peaks(
    first: Segment, first_kept: NDArray[np.bool_], second: Segment, second_kept: NDArray[np.bool_]
) -> tuple[Numbers, Numbers, NDArray[np.uint16]]:
    counts, frames, frequencies = [], [], []
    for segment, kept in ((first, first_kept), (second, second_kept)):
        own = np.diff(segment.peak_starts)
        of_kept = np.repeat(kept, own)
        counts.append(own[kept])
        frames.append(segment.peak_frames[of_kept])
        frequencies.append(segment.peak_frequencies[of_kept])
    starts = np.append(np.uint32(0), np.cumsum(np.concatenate(counts), dtype=np.uint32))
    return starts, np.concatenate(frames), np.concatenate(frequencies)


def _buckets(hashes: Numbers) -> Numbers:
    bits = min(max(len(hashes).bit_length() - 3, 0), HASH_BITS)
    edges = np.arange((1 << bits) + 1, dtype=np.uint32) << np.uint32(HASH_BITS - bits)
    return np.searchsorted(hashes, edges).astype(np.uint32)


@njit(cache=True, nogil=True)
def _merged_postings(
    hashes_a: Numbers,
    starts_a: Numbers,
    postings_a: Numbers,
    parts_a: NDArray[np.int64],
    hashes_b: Numbers,
    starts_b: Numbers,
    postings_b: Numbers,
    parts_b: NDArray[np.int64],
) -> tuple[Numbers, Numbers, Numbers]:
    hashes = np.empty(len(hashes_a) + len(hashes_b), np.uint32)
    starts = np.empty(len(hashes_a) + len(hashes_b) + 1, np.uint32)
    postings = np.empty(len(postings_a) + len(postings_b), np.uint32)
    a = b = count = size = 0
    while a < len(hashes_a) or b < len(hashes_b):
        from_a = a < len(hashes_a) and (b == len(hashes_b) or hashes_a[a] <= hashes_b[b])
        from_b = b < len(hashes_b) and (a == len(hashes_a) or hashes_b[b] <= hashes_a[a])
        hashes[count] = hashes_a[a] if from_a else hashes_b[b]
        starts[count] = size
        if from_a:
            size = _append(postings, size, postings_a, starts_a[a], starts_a[a + 1], parts_a)
            a += 1
        if from_b:
            size = _append(postings, size, postings_b, starts_b[b], starts_b[b + 1], parts_b)
            b += 1
        if size > starts[count]:
            count += 1
    starts[count] = size
    return hashes[:count].copy(), starts[: count + 1].copy(), postings[:size].copy()


@njit(cache=True, nogil=True)
def _append(target: Numbers, size: int, source: Numbers, begin: int, end: int, parts: NDArray[np.int64]) -> int:
    for i in range(begin, end):
        part = parts[source[i] >> FRAME_BITS]
        if part >= 0:
            target[size] = (part << FRAME_BITS) | (source[i] & (PART_FRAMES - 1))
            size += 1
    return size


@njit(cache=True, nogil=True)
def posting_range(hashes: Numbers, starts: Numbers, buckets: Numbers, wanted: int) -> tuple[int, int]:
    """Return where the postings of a hash, and of the same hash with a gap one frame shorter or longer, begin and end.

    The three are neighbours, because the gap is the lowest field of a hash.
    """
    shift = HASH_BITS - int(np.log2(len(buckets) - 1) + 0.5)
    bucket = (wanted - 1) >> shift
    low, high = np.int64(buckets[bucket]), np.int64(buckets[bucket + 1])
    while low < high:
        middle = (low + high) >> 1
        if hashes[middle] < wanted - 1:
            low = middle + 1
        else:
            high = middle
    end = low
    while end < len(hashes) and hashes[end] <= wanted + 1:
        end += 1
    return starts[low], starts[end]


_NONE = np.empty(0, np.uint32)
_ZERO = np.zeros(1, np.uint32)
EMPTY = Segment(_NONE, _ZERO, _NONE, _buckets(_NONE), _NONE, _NONE, _NONE, _ZERO, _NONE, np.empty(0, np.uint16))
"""The segment that holds nothing."""
