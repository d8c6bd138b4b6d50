"""What of a fingerprint is looked up?

A landmark is a pair of peaks, an anchor and a later target. Its hash says only how the two lie to each other and at
which frequency, so it is the same wherever a clip begins. The pairing follows A. Wang, "An industrial-strength audio
search algorithm", ISMIR 2003.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.parameters import CLIP_FAN_OUT, LONGEST_GAP, SHORTEST_GAP, SONG_FAN_OUT, WIDEST_LEAP
from shared.fingerprint import STEPS_PER_BIN, Fingerprint

HASH_BITS = 24
"""A hash is the anchor's bin (9 bits), the leap to the target in bins (8) and the gap in frames (7), from high to low.
The gap is lowest because it is the least certain: a gap one frame off is the neighbour in a sorted index."""

PITCH_SHIFT = 15
"""Bits of a hash below the anchor's bin."""


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
    return Landmarks(*_pairs(fingerprint.frames, fingerprint.frequencies, SONG_FAN_OUT))


def clip_landmarks(fingerprint: Fingerprint) -> Landmarks:
    """Return the landmarks of a clip: more per anchor than a song has."""
    return Landmarks(*_pairs(fingerprint.frames, fingerprint.frequencies, CLIP_FAN_OUT))


@njit(cache=True, nogil=True)
def _pairs(
    frames: NDArray[np.uint32], frequencies: NDArray[np.uint16], fan_out: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    hashes = np.empty(len(frames) * fan_out, np.uint32)
    anchors = np.empty(len(frames) * fan_out, np.uint32)
    count = 0
    half = STEPS_PER_BIN // 2
    for anchor in range(len(frames)):
        anchor_bin = (np.int64(frequencies[anchor]) + half) // STEPS_PER_BIN
        paired = 0
        for target in range(anchor + 1, len(frames)):
            gap = np.int64(frames[target]) - np.int64(frames[anchor])
            if gap > LONGEST_GAP or paired == fan_out:
                break
            leap = (np.int64(frequencies[target]) + half) // STEPS_PER_BIN - anchor_bin
            if gap < SHORTEST_GAP or abs(leap) > WIDEST_LEAP:
                continue
            hashes[count] = ((anchor_bin & 0x1FF) << PITCH_SHIFT) | ((leap + WIDEST_LEAP) << 7) | gap
            anchors[count] = frames[anchor]
            count += 1
            paired += 1
    return hashes[:count].copy(), anchors[:count].copy()
