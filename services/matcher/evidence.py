"""Are the peaks of a song where a clip should have them, and is that more than chance?

Landmarks only propose places. At a proposed place every peak of the song is looked for in the clip: it is heard where
the clip has a peak next to it. A clip that is not from there hears some too, and how many follows from the clip alone:
a frequency at which it has peaks half of the time is heard half of the time, wherever one looks. So a drone, a loop or
noise proves little, and a quiet passage of few, rare peaks much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.parameters import (
    BIN_FRAMES,
    COMMON_CHANCE,
    LEAST_CHANCE,
    MOST_CHANCE,
    NEAR_STEPS,
)
from shared.fingerprint import STEPS_PER_BIN, WINDOW

STEPS = WINDOW // 2 * STEPS_PER_BIN
"""How many different frequencies a peak can have, in quarters of a bin."""

_SHARES: NDArray[np.float64] = 0.01 * 1.35 ** np.arange(16, dtype=np.float64)
"""Shares of the song's peaks that a clip may have kept, 1 to 90 %: the likeliest one is taken."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What of a song could be heard in a clip.

    Attributes
    ----------
    near : uint8 [shape=(frames, STEPS)]
        0 where the clip has no peak, 1 where the nearest one is a frame earlier, 2 at the same frame, 3 a frame later.
    chance : float64 [shape=(STEPS,)]
        How often a peak of any other music would be heard at each frequency, 0 to 1.
    crowding : float64 [shape=(frames,)]
        How many times likelier that is at each frame: two songs in step with each other meet at every beat.
    """

    near: NDArray[np.uint8]
    chance: Floats
    crowding: Floats


@dataclass(frozen=True, slots=True)
class Alignment:
    """The best place of a clip in a song.

    Attributes
    ----------
    heard : int
        Peaks of the song that are heard in the clip.
    score : float
        Log-likelihood ratio against chance, in nats.
    offset : float
        Frame of the song at which the clip begins.
    first, last : int
        Frames of the clip between which peaks are heard.
    centre, spread : float
        Mean and standard deviation of the frames of the clip at which peaks are heard.
    """

    heard: int
    score: float
    offset: float
    first: int
    last: int
    centre: float
    spread: float


def evidence(frames: NDArray[np.integer], frequencies: NDArray[np.integer], length: int) -> Evidence:
    """Return what of a song could be heard in a clip.

    Parameters
    ----------
    frames : int [shape=(peaks,)]
        Time of the clip's peaks.
    frequencies : int [shape=(peaks,)]
        Their frequencies, in quarters of a bin.
    length : int
        Frames of the clip.
    """
    near, of_step, of_frame = _near(frames.astype(np.int64), frequencies.astype(np.int64), length)
    heard = of_step / length
    chance = (heard + COMMON_CHANCE * heard.mean()) / (1 + COMMON_CHANCE)
    crowding = np.maximum(1.0, of_frame / max(of_frame.mean(), 1.0))
    return Evidence(near, np.clip(chance, LEAST_CHANCE, MOST_CHANCE), crowding)


def align(
    found: Evidence, frames: NDArray[np.uint32], frequencies: NDArray[np.uint16], offsets: NDArray[np.int64]
) -> Alignment:
    """Return the best place of a clip in a song near the proposed ones.

    The score is the logarithm of a generalised likelihood ratio. Were the clip from elsewhere, a peak of the song
    would be heard with the `Evidence.chance` of its frequency. If it is from here, a share of the peaks was kept by
    the clip, whichever share makes what is heard likeliest, and the others are heard by chance.

    Parameters
    ----------
    found : Evidence
        Of the clip.
    frames : uint32 [shape=(peaks,)]
        Time of the song's peaks.
    frequencies : uint16 [shape=(peaks,)]
        Their frequencies, in quarters of a bin.
    offsets : int64 [shape=(places,)]
        Frames of the song at which the clip may begin, each good for the `2 * BIN_FRAMES` that follow.
    """
    return Alignment(
        *_align(
            found.near,
            found.chance,
            found.crowding,
            -np.log(found.chance),
            frames,
            frequencies,
            offsets,
            _SHARES,
        )
    )


@njit(cache=True, nogil=True)
def _near(
    frames: NDArray[np.int64], frequencies: NDArray[np.int64], length: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    near = np.zeros((length, STEPS), np.uint8)
    of_step, of_frame = np.zeros(STEPS, np.int64), np.zeros(length, np.int64)
    for shift in (-1, 1, 0):  # the peak of the very frame is written last
        for peak in range(len(frames)):
            frame = frames[peak] + shift
            if not 0 <= frame < length:
                continue
            for step in range(max(0, frequencies[peak] - NEAR_STEPS), min(STEPS, frequencies[peak] + NEAR_STEPS + 1)):
                of_step[step] += near[frame, step] == 0
                of_frame[frame] += near[frame, step] == 0
                near[frame, step] = 2 - shift
    return near, of_step, of_frame


@njit(cache=True, nogil=True)
def _within(frames: NDArray[np.uint32], offset: int, length: int) -> tuple[int, int]:
    """Return which peaks of a song lie in the clip."""
    return int(np.searchsorted(frames, max(0, offset))), int(np.searchsorted(frames, max(0, offset + length)))


@njit(cache=True, nogil=True)
def _align(
    near: NDArray[np.uint8],
    chance: Floats,
    crowding: Floats,
    surprise: Floats,
    frames: NDArray[np.uint32],
    frequencies: NDArray[np.uint16],
    offsets: NDArray[np.int64],
    shares: Floats,
) -> tuple[int, float, float, int, int, float, float]:
    length = len(near)
    most, best = -1.0, 0
    for place in range(len(offsets)):
        for offset in range(offsets[place] - 1, offsets[place] + 2 * BIN_FRAMES + 1):
            begin, end = _within(frames, offset, length)
            nats = 0.0
            for peak in range(begin, end):
                step = frequencies[peak]
                if near[np.int64(frames[peak]) - offset, step]:
                    nats += surprise[step]
                nats -= chance[step] * surprise[step]
            if nats > most:
                most, best = nats, offset
    begin, end = _within(frames, best, length)
    heard, times = np.empty(end - begin, np.int64), np.empty(end - begin, np.int64)
    count = late = 0
    first, last = length, 0
    for peak in range(begin, end):
        frame = int(frames[peak]) - best
        code = near[frame, frequencies[peak]]
        if code:
            heard[count], times[count] = frequencies[peak], frame
            count += 1
            late += int(code) - 2
            first, last = min(first, frame), max(last, frame)
    if count == 0:
        return 0, 0.0, 0.0, 0, 0, 0.0, 0.0
    score = 0.0
    for share in shares:
        nats = (end - begin - count) * np.log(1 - share)
        for i in range(count):
            expected = min(chance[heard[i]] * crowding[times[i]], MOST_CHANCE)
            nats += np.log(share / expected + 1 - share)
        score = max(score, nats)
    return count, score, best - late / count, first, last, times[:count].mean(), times[:count].std()
