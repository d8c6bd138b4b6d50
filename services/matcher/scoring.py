"""Which places in which songs may a clip be from, and when is the best of them an answer?

A song that contains the clip shares hashes with it at one and the same offset. The places where the histograms of
offsets are highest become candidates, which `services.matcher.evidence` proves or refutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.landmarks import PITCH_SHIFT, Landmarks
from services.matcher.parameters import (
    ANSWER_SCORE,
    BIN_FRAMES,
    COMMON_SHARE,
    LEAST_EXPECTED,
    PLACES_PER_SONG,
    THOROUGH,
)
from services.matcher.segment import FRAME_BITS, PART_FRAMES, REMOVED, Numbers, Segment, posting_range

_OFFSET_BITS = 15
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1
_WEIGHT_BITS = 8
_WEIGHT_MASK = (1 << _WEIGHT_BITS) - 1
_WEIGHT_UNIT = 16
"""Weights of hashes are sixteenths of a nat."""


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Landmarks that a recording and one song of a segment have in common, sorted by offset.

    Attributes
    ----------
    number : int
        The song.
    times : int32 [shape=(hits,)]
        Frame of the anchor in the recording.
    offsets : int32 [shape=(hits,)]
        Frame of the anchor in the song, minus `times`.
    pitches : uint16 [shape=(hits,)]
        Spectrogram bin of the anchor.
    song_frames : int
        Length of the song.
    """

    number: int
    times: NDArray[np.int32]
    offsets: NDArray[np.int32]
    pitches: NDArray[np.uint16]
    song_frames: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that deserves a close look.

    Attributes
    ----------
    number : int
        The song.
    part : int
        The part of its segment that was hit.
    offset : int
        Frame of the song at which the clip may begin; the true one is up to ``2 * BIN_FRAMES`` later.
    score : float
        Nats of the summit of the histogram of offsets: every common hash counts by how rare it is.
    """

    number: int
    part: int
    offset: int
    score: float


def log_likelihood_ratio(aligned: float, expected: float, anchors: int) -> float:
    """Return how much better the aligned share of a recording's anchors explains itself than chance does, in nats.

    The logarithm of the likelihood ratio of two binomial distributions: ``n * KL(aligned / n, expected / n)`` with n
    anchors. For few of many it is that of two Poisson distributions; it also holds where music repeats itself so much
    that chance aligns half of the anchors. It is 0 where no more are aligned than expected.
    """
    expected = max(expected, LEAST_EXPECTED)
    if aligned <= expected:
        return 0.0
    missed = anchors - aligned
    nats = aligned * math.log(aligned / expected)
    return nats + missed * math.log(missed / (anchors - expected)) if missed else nats


def answer_threshold(catalogue_size: int) -> float:
    """Return the score, in nats, above which a song may be named out of `catalogue_size`."""
    return ANSWER_SCORE + math.log(max(catalogue_size, 1))


def candidates(
    segment: Segment, landmarks: Landmarks, most: int = THOROUGH.candidates, most_postings: int = THOROUGH.postings
) -> list[Candidate]:
    """Return the places in a segment that a clip most likely comes from, best first.

    Of the rarest landmarks as many are looked up as have `most_postings` together: they tell most, and so the time
    that a question takes is bounded.
    """
    if not len(segment.postings) or not len(landmarks.anchors):
        return []
    length = int(landmarks.anchors[-1]) + 1
    keys = _coarse_offsets(
        segment.starts,
        segment.lows,
        segment.postings,
        landmarks.hashes,
        landmarks.anchors,
        length,
        most_postings,
    )
    keys.sort()
    begins, heights = _heights(keys, segment.songs, segment.lengths, length)
    if len(heights) > most:
        begins = begins[heights >= np.partition(heights, -most)[-most]]  # no other part has one of the best places
    parts, bins, scores = _summits(keys, begins, segment.lengths, length)
    if len(scores) > most:
        best = np.argpartition(-scores, most)[:most]
        parts, bins, scores = parts[best], bins[best], scores[best]
    best = np.argsort(-scores, kind="stable")
    offsets = segment.begins[parts[best]] + BIN_FRAMES * bins[best] - length
    columns = (segment.songs[parts[best]], parts[best], offsets, scores[best])
    return [Candidate(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def hits(segment: Segment, landmarks: Landmarks, numbers: Sequence[int]) -> list[Hits]:
    """Return what a recording has in common with each of some songs of a segment."""
    slots = np.full(len(segment.songs), -1, np.int32)
    for slot, number in enumerate(numbers):
        slots[segment.songs == number] = slot
    found, times, offsets, pitches = _hits(
        segment.starts,
        segment.lows,
        segment.postings,
        landmarks.hashes,
        landmarks.anchors,
        slots,
        segment.begins,
    )
    order = np.lexsort((offsets, found))
    edges = np.searchsorted(found[order], np.arange(len(numbers) + 1))
    return [
        Hits(number, times[own], offsets[own], pitches[own], int(segment.lengths[slots == slot].sum()))
        for slot, number in enumerate(numbers)
        for own in [order[edges[slot] : edges[slot + 1]]]
    ]


@njit(cache=True, nogil=True)
def _coarse_offsets(
    starts: Numbers,
    lows: NDArray[np.uint8],
    postings: Numbers,
    wanted: Numbers,
    anchors: Numbers,
    length: int,
    most_postings: int,
) -> NDArray[np.uint64]:
    """Return part, bin of the offset and weight, from high to low, for every posting that a clip hits."""
    begins, counts = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.int64)
    for i in range(len(wanted)):
        begins[i], end = posting_range(starts, lows, wanted[i])
        counts[i] = end - begins[i]
    longest = _longest_list(counts, max(len(postings) // COMMON_SHARE, 8), most_postings)
    total = 0
    for i in range(len(wanted)):
        total += counts[i] if counts[i] <= longest else 0
    keys = np.empty(total, np.uint64)
    size = 0
    for i in range(len(wanted)):
        if counts[i] == 0 or counts[i] > longest:
            continue
        weight = np.int64(_WEIGHT_UNIT * min(np.log(len(postings) / counts[i]), 15.9))
        shift = length - np.int64(anchors[i])
        for position in range(begins[i], begins[i] + counts[i]):
            posting = np.int64(postings[position])
            offset_bin = ((posting & (PART_FRAMES - 1)) + shift) // BIN_FRAMES
            keys[size] = (((posting >> FRAME_BITS << _OFFSET_BITS) | offset_bin) << _WEIGHT_BITS) | weight
            size += 1
    return keys


@njit(cache=True, nogil=True)
def _longest_list(counts: NDArray[np.int64], limit: int, most_postings: int) -> int:
    """Return the length of the longest posting list that is read, so that all are within a budget."""
    total = 0
    for count in np.sort(counts):
        total += int(count)
        if count > limit or total > most_postings:
            return int(count) - 1
    return limit


@njit(cache=True, nogil=True)
def _heights(
    keys: NDArray[np.uint64], songs: NDArray[np.int64], lengths: Numbers, length: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return where the keys of every part that was hit begin, and the score of its highest pair of bins."""
    room = min(len(songs), len(keys))
    begins, heights = np.empty(room, np.int64), np.empty(room, np.float64)
    size = begin = highest = total = here = before = 0
    now = np.int64(keys[0] >> _WEIGHT_BITS) if len(keys) else np.int64(0)
    for i in range(len(keys) + 1):
        place = np.int64(keys[i] >> _WEIGHT_BITS) if i < len(keys) else np.int64(-1)
        if place != now:
            before, here = here if place == now + 1 else 0, 0
            part = now >> _OFFSET_BITS
            if place >> _OFFSET_BITS != part:
                expected = total * 2 * BIN_FRAMES / (np.int64(lengths[part]) + length)
                if songs[part] != REMOVED and highest > expected:
                    begins[size], heights[size] = begin, (highest - expected) / _WEIGHT_UNIT
                    size += 1
                begin, highest, total, before = i, 0, 0, 0
            now = place
        if i < len(keys):
            weight = int(np.int64(keys[i] & _WEIGHT_MASK))  # int() alone makes it unsigned
            here += weight
            total += weight
            highest = max(highest, here + before)
    return begins[:size], heights[:size]


@njit(cache=True, nogil=True)
def _summits(
    keys: NDArray[np.uint64], begins: NDArray[np.int64], lengths: Numbers, length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return parts, bins and scores of the highest pairs of neighbouring bins of the parts whose keys begin there."""
    room = PLACES_PER_SONG * len(begins)
    parts, bins, scores = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.float64)
    highest, places = np.empty(PLACES_PER_SONG, np.int64), np.empty(PLACES_PER_SONG, np.int64)
    size = 0
    for begin in begins:
        part = int(keys[begin]) >> (_OFFSET_BITS + _WEIGHT_BITS)
        highest[:], places[:] = 0, -9
        least = total = before = 0
        bin_before = -9
        last = (part + 1) << (_OFFSET_BITS + _WEIGHT_BITS)
        end = begin
        while end < len(keys) and int(keys[end]) < last:
            key = int(keys[end]) >> _WEIGHT_BITS
            here = 0
            while end < len(keys) and int(keys[end]) >> _WEIGHT_BITS == key:
                here += int(keys[end]) & _WEIGHT_MASK
                end += 1
            total += here
            offset_bin = key & _OFFSET_MASK
            joined = offset_bin == bin_before + 1
            if (here + before if joined else here) > least:
                _take(highest, places, here + before if joined else here, bin_before if joined else offset_bin)
                least = int(highest.min())
            before, bin_before = here, offset_bin
        expected = total * 2 * BIN_FRAMES / (np.int64(lengths[part]) + length)
        for place in range(PLACES_PER_SONG):
            if highest[place] > expected:
                parts[size], bins[size] = part, places[place]
                scores[size] = (highest[place] - expected) / _WEIGHT_UNIT
                size += 1
    return parts[:size], bins[:size], scores[:size]


@njit(cache=True, nogil=True)
def _take(highest: NDArray[np.int64], places: NDArray[np.int64], height: int, place: int) -> None:
    """Keep a summit as one of the highest; of neighbours only the higher one."""
    lowest = int(np.argmin(highest))
    for i in range(len(places)):
        if abs(places[i] - place) <= 1:
            lowest = i
    if height > highest[lowest]:
        highest[lowest], places[lowest] = height, place


@njit(cache=True, nogil=True)
def _hits(
    starts: Numbers,
    lows: NDArray[np.uint8],
    postings: Numbers,
    wanted: Numbers,
    anchors: Numbers,
    slots: NDArray[np.int32],
    part_begins: Numbers,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.uint16]]:
    """Return slot, anchor time, offset and pitch of all hits in the parts that have a slot."""
    room = 1 << 14
    found, times, offsets = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32)
    pitches = np.empty(room, np.uint16)
    count = 0
    for i in range(len(wanted)):
        begin, end = posting_range(starts, lows, wanted[i])
        for position in range(begin, end):
            part = postings[position] >> FRAME_BITS
            if slots[part] < 0:
                continue
            if count == len(found):
                found, times = np.append(found, found), np.append(times, times)
                offsets, pitches = np.append(offsets, offsets), np.append(pitches, pitches)
            found[count] = slots[part]
            times[count] = anchors[i]
            frame = np.int64(part_begins[part]) + np.int64(postings[position] & (PART_FRAMES - 1))
            offsets[count] = frame - np.int64(anchors[i])
            pitches[count] = wanted[i] >> PITCH_SHIFT
            count += 1
    return found[:count], times[:count], offsets[:count], pitches[:count]
