"""Which songs fit a clip, how well, and is it more than chance?

A song that contains the clip shares hashes with it at one and the same offset. Songs whose coarse histogram of offsets
has the most surprising summit become candidates; for these the exact alignment is found, and scored by the logarithm of
the likelihood ratio between the anchors that are aligned and those that chance would align in this very song.
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
    ALIGNED_FRAMES,
    ANSWER_SCORE,
    BIN_FRAMES,
    CANDIDATES,
    CLEAR_LEAD,
    CLEAR_MARGIN,
    CONFIDENCE_BASE,
    LEAD_SLOPE,
    LEAST_EXPECTED,
    MARGIN_SLOPE,
)
from services.matcher.segment import FRAME_BITS, PART_FRAMES, REMOVED, Numbers, Segment, posting_range

_OFFSET_BITS = 15


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
class Alignment:
    """The best place of a clip in a song.

    Attributes
    ----------
    anchors : int
        Distinct anchor times of the clip that are aligned.
    score : float
        Log-likelihood ratio against chance, in nats.
    offset : float
        Frame of the song at which the clip begins.
    first, last : int
        Frames of the clip between which anchors are aligned.
    """

    anchors: int
    score: float
    offset: float
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A song that deserves a close look.

    Attributes
    ----------
    number : int
        The song.
    score : float
        Nats of the highest summit of its coarse histogram of offsets.
    """

    number: int
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


def confidence(score: float, rival_score: float, catalogue_size: int) -> float:
    """Return the probability that a song is the right one.

    A logistic of the nats above the threshold and of the lead before the next song: of two songs that fit equally
    well, neither is certain.
    """
    margin = min(score - answer_threshold(catalogue_size), CLEAR_MARGIN)
    lead = min(score - rival_score, CLEAR_LEAD)
    logit = CONFIDENCE_BASE + MARGIN_SLOPE * margin + LEAD_SLOPE * lead
    return 1 / (1 + math.exp(-max(logit, -50.0)))


def candidates(segment: Segment, landmarks: Landmarks) -> list[Candidate]:
    """Return the songs of a segment that most likely contain a clip, best first."""
    if not len(segment.postings) or not len(landmarks.anchors):
        return []
    length = int(landmarks.anchors[-1]) + 1
    keys = _coarse_offsets(
        segment.hashes, segment.starts, segment.postings, segment.buckets, landmarks.hashes, landmarks.anchors, length
    )
    keys.sort()
    parts, scores = _summits(keys, segment.songs, segment.lengths, length)
    best = np.argsort(-scores, kind="stable")[: 2 * CANDIDATES]
    songs: dict[int, float] = {}
    for part, score in zip(parts[best].tolist(), scores[best].tolist(), strict=True):
        songs.setdefault(int(segment.songs[part]), score)
    return [Candidate(number, score) for number, score in songs.items()][:CANDIDATES]


def hits(segment: Segment, landmarks: Landmarks, numbers: Sequence[int]) -> list[Hits]:
    """Return what a recording has in common with each of some songs of a segment."""
    slots = np.full(len(segment.songs), -1, np.int32)
    for slot, number in enumerate(numbers):
        slots[segment.songs == number] = slot
    found, times, offsets, pitches = _hits(
        segment.hashes,
        segment.starts,
        segment.postings,
        segment.buckets,
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


def align(found: Hits, landmarks: Landmarks) -> Alignment:
    """Return the offset at which most distinct anchor times of a clip agree.

    What chance would align is measured in the song itself, at all other offsets: a song that repeats itself, or holds
    its notes for long, has to agree all the more. And a note that is struck again is less evidence than another
    one: what counts is the mean of the aligned anchors and of their distinct pitches, where these are fewer.
    """
    clip_frames, clip_anchors = int(landmarks.anchors[-1]) + 1, landmarks.anchor_times
    aligned, pitches, elsewhere, offset, first, last = _densest_window(
        found.times, found.offsets, found.pitches, clip_frames
    )
    evidence = (aligned + min(aligned, pitches)) / 2
    expected = elsewhere * ALIGNED_FRAMES / (found.song_frames + clip_frames)
    return Alignment(aligned, log_likelihood_ratio(evidence, expected, clip_anchors), offset, first, last)


@njit(cache=True, nogil=True)
def _coarse_offsets(
    hashes: Numbers,
    starts: Numbers,
    postings: Numbers,
    buckets: Numbers,
    wanted: Numbers,
    anchors: Numbers,
    length: int,
) -> Numbers:
    """Return ``part << 15 | bin of the offset`` for every posting that a clip hits."""
    begins, ends = np.empty(len(wanted), np.int64), np.empty(len(wanted), np.int64)
    total = 0
    for i in range(len(wanted)):
        begins[i], ends[i] = posting_range(hashes, starts, buckets, wanted[i])
        total += ends[i] - begins[i]
    keys = np.empty(total, np.uint32)
    count = 0
    for i in range(len(wanted)):
        shift = length - np.int64(anchors[i])
        for position in range(begins[i], ends[i]):
            posting = np.int64(postings[position])
            offset_bin = ((posting & (PART_FRAMES - 1)) + shift) // BIN_FRAMES
            keys[count] = (posting >> FRAME_BITS << _OFFSET_BITS) | offset_bin
            count += 1
    return keys


@njit(cache=True, nogil=True)
def _summits(
    keys: Numbers, songs: Numbers, lengths: Numbers, length: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return every part that was hit, and the score of the highest two neighbouring bins of its offsets."""
    parts, scores = np.empty(len(songs), np.int64), np.empty(len(songs), np.float64)
    count = 0
    begin = 0
    while begin < len(keys):
        part = np.int64(keys[begin]) >> _OFFSET_BITS
        end = begin
        highest = before = 0
        bin_before = np.int64(-2)
        while end < len(keys) and np.int64(keys[end]) >> _OFFSET_BITS == part:
            key = keys[end]
            run = end
            while end < len(keys) and keys[end] == key:
                end += 1
            here = end - run
            highest = max(highest, here + before if np.int64(key) == bin_before + 1 else here)
            before, bin_before = here, np.int64(key)
        expected = max((end - begin) * 2.0 * BIN_FRAMES / (np.int64(lengths[part]) + length), LEAST_EXPECTED)
        if songs[part] != REMOVED and highest > expected:
            parts[count] = part
            scores[count] = highest * np.log(highest / expected) - (highest - expected)
            count += 1
        begin = end
    return parts[:count], scores[:count]


@njit(cache=True, nogil=True)
def _hits(
    hashes: Numbers,
    starts: Numbers,
    postings: Numbers,
    buckets: Numbers,
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
        begin, end = posting_range(hashes, starts, buckets, wanted[i])
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


@njit(cache=True, nogil=True)
def _densest_window(
    times: NDArray[np.int32], offsets: NDArray[np.int32], pitches: NDArray[np.uint16], clip_frames: int
) -> tuple[int, int, int, float, int, int]:
    """Return what the best window of sorted offsets holds.

    Its distinct times; its distinct pitches; the sum of the distinct times of all other windows; its mean offset; its
    first and last time.
    """
    seen = np.zeros(clip_frames, np.int32)
    last_window = np.full(clip_frames, np.iinfo(np.int64).min)
    elsewhere = 0
    begin = distinct = best = best_begin = best_end = 0
    for end in range(len(times)):
        window = offsets[end] // ALIGNED_FRAMES
        elsewhere += last_window[times[end]] != window
        last_window[times[end]] = window
        distinct += seen[times[end]] == 0
        seen[times[end]] += 1
        while offsets[end] - offsets[begin] >= ALIGNED_FRAMES:
            seen[times[begin]] -= 1
            distinct -= seen[times[begin]] == 0
            begin += 1
        # Of windows with equally many anchors, the one with more hits lies better.
        if distinct > best or (distinct == best and end + 1 - begin > best_end - best_begin):
            best, best_begin, best_end = distinct, begin, end + 1
    if best == 0:
        return 0, 0, 0, 0.0, 0, 0
    middle = offsets[(best_begin + best_end) // 2]
    total = count = 0
    for i in range(best_begin, best_end):
        if abs(offsets[i] - middle) <= 1:
            total += offsets[i]
            count += 1
    inside = times[best_begin:best_end]
    distinct_pitches = len(np.unique(pitches[best_begin:best_end]))
    return best, distinct_pitches, elsewhere - best, total / count, inside.min(), inside.max()
