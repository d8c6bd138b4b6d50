"""How do several segments become one, in little memory and without the songs that were removed?

Postings are merged one range of hashes after the other, so that only one range is in memory, however large the segments
are. Whatever is finished goes to a sink: to a file, or to arrays in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.array_file import ArrayFile, ArrayMemory, ArraySink, ArrayWriter
from services.matcher.disk import DISK, Disk
from services.matcher.segment import (
    BUCKETS,
    CONTENT,
    FRAME_BITS,
    LARGE,
    LOW_BITS,
    MOST_PARTS,
    MOST_POSTINGS,
    PART_FRAMES,
    REMOVED,
    Numbers,
    Segment,
    by_hash,
    layout_of,
)
from services.matcher.song_table import SongTable

POSTINGS_AT_ONCE = 1 << 21
"""Postings that are sorted at a time: they take 34 MB."""

_GONE = np.int64(-1)


def merged(segments: Sequence[Segment], path: Path | None = None, disk: Disk = DISK, *, large: int = LARGE) -> Segment:
    """Return one segment that holds the songs of all given ones, without those that were removed.

    Parameters
    ----------
    segments : sequence of Segment
        At least one. Of two with the same song only one may have it alive.
    path : Path, optional
        The file to put it in; without one it is in memory.
    disk : Disk
        What writes the file.
    large : int
        Postings from which on the segment gets a directory of all hashes.

    Raises
    ------
    ValueError
        Together they are too large for one segment.
    """
    table, rows = SongTable.joined([one.table for one in segments], [one.alive for one in segments])
    parts = [one.songs != REMOVED for one in segments]
    renumbered = _renumbered(parts)
    postings = sum(_kept_postings(*pair) for pair in zip(segments, renumbered, strict=True))
    peaks = sum(
        int(np.diff(one.peak_starts)[kept].sum(dtype=np.int64)) for one, kept in zip(segments, parts, strict=True)
    )
    part_count = sum(int(np.count_nonzero(kept)) for kept in parts)
    if part_count > MOST_PARTS or postings > MOST_POSTINGS:
        raise ValueError(f"{part_count} parts with {postings} postings do not fit into one segment")
    is_large = postings >= large
    layout = layout_of(len(table), len(table.ids), part_count, postings, peaks, is_large=is_large)
    if path is None:
        memory = ArrayMemory(layout)
        _write(memory, segments, table, rows, renumbered, is_large=is_large)
        return Segment.of_arrays(memory.arrays)
    with ArrayWriter(path, {"content": CONTENT}, layout, disk) as writer:
        _write(writer, segments, table, rows, renumbered, is_large=is_large)
        writer.finish()
    return Segment.of_file(ArrayFile.open(path))


def warm_up() -> None:
    """Compile what only large segments need, so that no merge stops everything else for it."""
    _counts_of_hashes(np.zeros(1, np.int64), np.empty(0, np.uint8))


def _renumbered(kept: Sequence[NDArray[np.bool_]]) -> list[NDArray[np.int64]]:
    """Return the new number of every part, or `_GONE`."""
    numbers = np.cumsum(np.concatenate(kept), dtype=np.int64) - 1
    edges = np.cumsum([len(one) for one in kept])[:-1]
    return [np.where(own, new, _GONE) for own, new in zip(kept, np.split(numbers, edges), strict=True)]


def _kept_postings(segment: Segment, renumbered: NDArray[np.int64]) -> int:
    return int(_count_kept(segment.postings, renumbered)) if (renumbered < 0).any() else len(segment.postings)


def _write(
    sink: ArraySink,
    segments: Sequence[Segment],
    table: SongTable,
    rows: NDArray[np.int64],
    renumbered: Sequence[NDArray[np.int64]],
    *,
    is_large: bool,
) -> None:
    for name, array in table.arrays().items():
        sink.append(name, array)
    order = np.argsort(rows)
    for name in ("digests", "audible_s"):
        sink.append(name, np.concatenate([getattr(one, name)[one.alive] for one in segments])[order])
    first = 0
    for segment, new in zip(segments, renumbered, strict=True):
        kept = new >= 0
        row_of = np.cumsum(segment.alive) - 1 + first
        first += int(np.count_nonzero(segment.alive))
        sink.append("rows", rows[row_of[segment.rows[kept]]])
        sink.append("begins", segment.begins[kept])
        sink.append("lengths", segment.lengths[kept])
    _write_postings(sink, segments, renumbered, is_large=is_large)
    _write_peaks(sink, segments, renumbered)


def _write_postings(
    sink: ArraySink, segments: Sequence[Segment], renumbered: Sequence[NDArray[np.int64]], *, is_large: bool
) -> None:
    written = 0
    sink.append("starts", np.zeros(1, np.uint32))
    for first, last, room in _ranges(segments):
        hashes, postings = np.empty(room, np.uint32), np.empty(room, np.uint32)
        size = 0
        for segment, new in zip(segments, renumbered, strict=True):
            size = _take(segment.starts, segment.lows, segment.postings, new, first, last, hashes, postings, size)
        counts, lows, ordered = by_hash(hashes[:size], postings[:size], first, last - first)
        sink.append("postings", ordered)
        if is_large:
            counts = _counts_of_hashes(counts, lows)
        else:
            sink.append("lows", lows)
        sink.append("starts", written + np.cumsum(counts))
        written += size


def _ranges(segments: Sequence[Segment]) -> Iterator[tuple[int, int, int]]:
    """Yield ranges of buckets, and how many postings all segments have there together."""
    step = [(len(one.starts) - 1) // BUCKETS for one in segments]
    ends = np.sum([one.starts[::by].astype(np.int64) for one, by in zip(segments, step, strict=True)], axis=0)
    first = 0
    while first < BUCKETS:
        last = int(np.searchsorted(ends, ends[first] + POSTINGS_AT_ONCE, side="right")) - 1
        last = min(max(last, first + 1), BUCKETS)
        yield first, last, int(ends[last] - ends[first])
        first = last


def _write_peaks(sink: ArraySink, segments: Sequence[Segment], renumbered: Sequence[NDArray[np.int64]]) -> None:
    counts = [np.diff(one.peak_starts)[new >= 0] for one, new in zip(segments, renumbered, strict=True)]
    sink.append("peak_starts", np.append(0, np.cumsum(np.concatenate(counts), dtype=np.int64)))
    for segment, new in zip(segments, renumbered, strict=True):
        edges = np.flatnonzero(np.diff(new >= 0, prepend=False, append=False))
        for first, last in edges.reshape(-1, 2).tolist():  # neighbours that are kept
            own = slice(int(segment.peak_starts[first]), int(segment.peak_starts[last]))
            sink.append("peak_frames", segment.peak_frames[own])
            sink.append("peak_frequencies", segment.peak_frequencies[own])


@njit(cache=True, nogil=True)
def _count_kept(postings: Numbers, renumbered: NDArray[np.int64]) -> int:
    count = 0
    for posting in postings:
        count += renumbered[posting >> FRAME_BITS] >= 0
    return count


@njit(cache=True, nogil=True)
def _take(
    starts: Numbers,
    lows: NDArray[np.uint8],
    postings: Numbers,
    renumbered: NDArray[np.int64],
    first: int,
    last: int,
    hashes: Numbers,
    taken: Numbers,
    size: int,
) -> int:
    """Append the postings of some buckets and their hashes, with the new numbers of their parts."""
    is_large = len(starts) > BUCKETS + 1
    shift = LOW_BITS if is_large else 0
    for entry in range(first << shift, last << shift):
        for i in range(starts[entry], starts[entry + 1]):
            part = renumbered[postings[i] >> FRAME_BITS]
            if part >= 0:
                hashes[size] = entry if is_large else (entry << LOW_BITS) | lows[i]
                taken[size] = (part << FRAME_BITS) | (postings[i] & (PART_FRAMES - 1))
                size += 1
    return size


@njit(cache=True, nogil=True)
def _counts_of_hashes(counts: NDArray[np.int64], lows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return how many postings each hash has, of those of its bucket."""
    finer = np.zeros(len(counts) << LOW_BITS, np.int64)
    i = 0
    for bucket in range(len(counts)):
        for _ in range(counts[bucket]):
            finer[(bucket << LOW_BITS) | lows[i]] += 1
            i += 1
    return finer
