"""Are two whole songs the same recording?

They are when nearly every second of the shorter one agrees with the longer one at one and the same offset. A remix, a
cover, or another song with the same drum loop agrees here and there, at many offsets, or by few hashes a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.landmarks import Landmarks
from services.matcher.parameters import (
    ALIGNED_REACH,
    CLEARLY_MORE,
    DRIFT_STEPS,
    MOST_DRIFT,
    SAME_LENGTH,
    SAME_SHARE,
    SECOND_SHARE,
)
from services.matcher.scoring import Hits, log_likelihood_ratio
from shared.fingerprint import FRAME_RATE_HZ

Relation = Literal["same_recording", "contained", "contains", "different"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a known song agrees with a new one.

    Attributes
    ----------
    relation : str
        ``contained`` says that the new song lies in the clearly longer known one, ``contains`` the reverse.
    score : float
        Log-likelihood ratio against chance, in nats.
    overlap, overlap_known : float
        Share of the audible seconds of the new and of the known song that are the same, 0 to 1.
    offset : float
        Frame of the known song at which the new one begins.
    anchors : int
        Distinct anchor times that are aligned.
    """

    relation: Relation
    score: float
    overlap: float
    overlap_known: float
    offset: float
    anchors: int


def audible_seconds(landmarks: Landmarks) -> int:
    """Return in how many seconds of a song there is anything to compare."""
    return len(np.unique(_seconds(landmarks.anchors)))


def compare(new: Landmarks, found: Hits, known_audible_s: int) -> Agreement:
    """Return how a known song agrees with a new one.

    Parameters
    ----------
    new : Landmarks
        All landmarks of the new song.
    found : Hits
        Which of them the known song has too.
    known_audible_s : int
        `audible_seconds` of the known song.
    """
    if not len(found.times):
        return Agreement("different", 0.0, 0.0, 0.0, 0.0, 0)
    length = int(new.anchors[-1]) + 1
    drift, offset = _straightest_line(found.times, found.offsets, length, found.song_frames)
    aligned, offset = _on_line(found, drift, offset)
    aligned_anchors = np.unique(found.times[aligned])

    anchors_per_second = np.bincount(_seconds(np.unique(new.anchors)))
    aligned_per_second = np.bincount(_seconds(aligned_anchors), minlength=len(anchors_per_second))
    common_s = int(np.count_nonzero(aligned_per_second > SECOND_SHARE * anchors_per_second))
    overlap = common_s / int(np.count_nonzero(anchors_per_second))
    overlap_known = min(1.0, common_s / max(known_audible_s, 1))
    expected = len(found.times) * (2 * ALIGNED_REACH + 1) / (found.song_frames + length)
    return Agreement(
        _relation(overlap, overlap_known),
        log_likelihood_ratio(len(aligned_anchors), expected, new.anchor_times),
        overlap,
        overlap_known,
        offset,
        len(aligned_anchors),
    )


def _relation(overlap: float, overlap_known: float) -> Relation:
    if max(overlap, overlap_known) < SAME_SHARE:
        return "different"
    if min(overlap, overlap_known) >= SAME_LENGTH * max(overlap, overlap_known):
        return "same_recording"
    return "contained" if overlap > overlap_known else "contains"


def _seconds(frames: NDArray[np.uint32] | NDArray[np.int32]) -> NDArray[np.int64]:
    return (frames / FRAME_RATE_HZ).astype(np.int64)


def _on_line(found: Hits, drift: float, offset: float) -> tuple[NDArray[np.bool_], float]:
    """Return which hits lie on the line of alignment, and the offset at the new song's begin, fitted to them."""
    distance = found.offsets - (offset + drift * found.times)
    offset += float(np.median(distance[np.abs(distance) <= ALIGNED_REACH + 1]))
    distance = found.offsets - (offset + drift * found.times)
    near = np.abs(distance) <= 1.5
    if near.any() and np.ptp(found.times[near]) > 0:
        drift_error, offset_error = np.polynomial.polynomial.polyfit(found.times[near], distance[near], 1)[::-1]
        drift, offset = drift + float(drift_error), offset + float(offset_error)
    return np.abs(found.offsets - (offset + drift * found.times)) <= ALIGNED_REACH, offset


@njit(cache=True, nogil=True)
def _straightest_line(
    times: NDArray[np.int32], offsets: NDArray[np.int32], length: int, song_frames: int
) -> tuple[float, float]:
    """Return drift and offset of the line on which most hits lie, from a histogram of offsets for every speed."""
    width = ALIGNED_REACH + 1
    slack = int(MOST_DRIFT * length) + 2 * width
    counts = np.empty((length + song_frames + 2 * slack) // width + 2, np.int32)
    most = 0
    best_drift = best_offset = 0.0
    for step in range(DRIFT_STEPS):
        # The same speed comes first, and wins where no other does clearly better.
        side = 1 if step % 2 else -1
        drift = side * ((step + 1) // 2) * MOST_DRIFT / (DRIFT_STEPS // 2)
        counts[:] = 0
        for i in range(len(times)):
            counts[int(offsets[i] - drift * times[i] + length + slack) // width] += 1
        for i in range(len(counts) - 1):
            if counts[i] + counts[i + 1] > most * (1 if step == 0 else CLEARLY_MORE):
                most = counts[i] + counts[i + 1]
                best_drift, best_offset = drift, float((i + 1) * width - length - slack)
    return best_drift, best_offset
