"""What of a fingerprint is looked up?

A landmark is a pair of peaks, an anchor and a later target. Its hash says only how the two lie to each other and at
which frequency, so it is the same wherever a clip begins. The pairing follows A. Wang, "An industrial-strength audio
search algorithm", ISMIR 2003.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.parameters import (
    ALONE_BINS,
    ALONE_FRAMES,
    ANCHORS_FRAMES,
    LONGEST_GAP,
    SHORTEST_GAP,
    SONG_FAN_OUT,
    WIDEST_LEAP,
    Effort,
)
from shared.fingerprint import STEPS_PER_BIN, Fingerprint

HASH_BITS = 24
"""A hash is the anchor's bin (9 bits), the leap to the target in bins (8) and the gap in frames (7), from high to low.
The gap is lowest because it is the least certain: a gap one frame off is the neighbour in a sorted index."""

PITCH_SHIFT = 15
"""Bits of a hash below the anchor's bin."""


Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positions of the anchors and of the targets in a list of peaks, sorted by anchor."""


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """Landmarks of one recording, sorted by anchor.

    Attributes
    ----------
    hashes : uint32 [shape=(landmarks,)]
        `HASH_BITS` wide.
    anchors : uint32 [shape=(landmarks,)]
        Time of the anchor, in spectrogram frames.
    """

    hashes: NDArray[np.uint32]
    anchors: NDArray[np.uint32]

    @property
    def anchor_times(self) -> int:
        """How many distinct times the anchors have."""
        return int(np.count_nonzero(np.diff(self.anchors))) + 1 if len(self.anchors) else 0

    def between(self, begin: int, end: int) -> Landmarks:
        """Return the landmarks whose anchor lies in the frames `begin` to `end`, with times counted from `begin`."""
        first, last = np.searchsorted(self.anchors, (begin, end))
        return Landmarks(self.hashes[first:last], self.anchors[first:last] - np.uint32(begin))


def song_landmarks(fingerprint: Fingerprint) -> Landmarks:
    """Return the landmarks of a song, as the index holds them."""
    return paired(fingerprint, SONG_FAN_OUT)


def landmark_peaks(clip: Fingerprint, anchors: int) -> Fingerprint:
    """Return the peaks of a clip that form landmarks: the `anchors` loudest ones of every half second that stand alone.

    A song holds a peak only where none is louder within a song's reach, so landmarks of other peaks find nothing.
    """
    kept = _loudest_alone(clip.frames, clip.frequencies, clip.levels, anchors)
    return replace(clip, frames=clip.frames[kept], frequencies=clip.frequencies[kept], levels=clip.levels[kept])


def clip_landmarks(clip: Fingerprint, effort: Effort) -> Landmarks:
    """Return the landmarks of a clip: more per anchor than a song has."""
    return paired(landmark_peaks(clip, effort.anchors), effort.fan_out)


def paired(peaks: Fingerprint, fan_out: int) -> Landmarks:
    """Return the landmarks that every peak forms with the `fan_out` loudest ones of the zone after it."""
    return hashed(peaks.frames, peaks.frequencies, pairs(peaks, fan_out))


def pairs(peaks: Fingerprint, fan_out: int) -> Pairs:
    """Return the positions of every peak and of each of the `fan_out` loudest ones of the zone after it."""
    return _pairs(peaks.frames, peaks.frequencies, peaks.levels, fan_out)


def hashed(frames: NDArray[np.uint32], frequencies: NDArray[np.uint16], paired: Pairs) -> Landmarks:
    """Return the landmarks of pairs of peaks, without those whose gap or leap is too large for a hash."""
    bins = (frequencies.astype(np.int32) + STEPS_PER_BIN // 2) // STEPS_PER_BIN
    anchors, targets = paired
    leaps = bins[targets] - bins[anchors]
    gaps = frames[targets].astype(np.int32) - frames[anchors].astype(np.int32)
    fits = (gaps >= SHORTEST_GAP) & (gaps <= LONGEST_GAP) & (np.abs(leaps) <= WIDEST_LEAP)
    hashes = ((bins[anchors] & 0x1FF) << PITCH_SHIFT) | ((leaps + WIDEST_LEAP) << 7) | gaps
    return Landmarks(hashes[fits].astype(np.uint32), frames[anchors][fits])


def _loudest_alone(
    frames: NDArray[np.uint32], frequencies: NDArray[np.uint16], levels: NDArray[np.uint8], quota: int
) -> NDArray[np.intp]:
    alone = np.flatnonzero(_alone(frames, frequencies, levels))
    spans = frames[alone] // ANCHORS_FRAMES
    order = np.lexsort((-levels[alone].astype(np.int16), spans))
    rank = np.arange(len(order)) - np.searchsorted(spans, spans)  # the spans are in order already
    return alone[np.sort(order[rank < quota])]


@njit(cache=True, nogil=True)
def _alone(frames: NDArray[np.uint32], frequencies: NDArray[np.uint16], levels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    alone = np.ones(len(frames), np.bool_)
    for peak in range(len(frames)):
        for other in range(peak + 1, len(frames)):
            if np.int64(frames[other]) - np.int64(frames[peak]) > ALONE_FRAMES:
                break
            apart = abs(np.int64(frequencies[other]) - np.int64(frequencies[peak]))
            if apart > ALONE_BINS * STEPS_PER_BIN or levels[peak] == levels[other]:
                continue
            alone[peak if levels[peak] < levels[other] else other] = False
    return alone


@njit(cache=True, nogil=True)
def _pairs(
    frames: NDArray[np.uint32], frequencies: NDArray[np.uint16], levels: NDArray[np.uint8], fan_out: int
) -> Pairs:
    anchors, targets = np.empty(len(frames) * fan_out, np.int64), np.empty(len(frames) * fan_out, np.int64)
    size = 0
    for anchor in range(len(frames)):
        paired = 0
        for target in range(anchor + 1, len(frames)):
            gap = np.int64(frames[target]) - np.int64(frames[anchor])
            if gap > LONGEST_GAP:
                break
            leap = abs(np.int64(frequencies[target]) - np.int64(frequencies[anchor]))
            if gap < SHORTEST_GAP or leap > WIDEST_LEAP * STEPS_PER_BIN:
                continue
            place = size + paired
            if paired < fan_out:
                paired += 1
            else:
                place = size
                for other in range(size + 1, size + fan_out):
                    if levels[targets[other]] < levels[targets[place]]:
                        place = other
                if levels[target] <= levels[targets[place]]:
                    continue
            anchors[place], targets[place] = anchor, target
        size += paired
    return anchors[:size].copy(), targets[:size].copy()
