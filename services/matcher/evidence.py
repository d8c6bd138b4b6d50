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
    KEPT_FRAMES,
    KEPT_STEPS,
    LEAST_CHANCE,
    LEAST_PART,
    LOUDEST_KEPT,
    MOST_CHANCE,
    MOST_SHARE,
    WAY_PRIOR,
)
from shared.fingerprint import STEPS_PER_BIN, WINDOW, Fingerprint

STEPS = WINDOW // 2 * STEPS_PER_BIN
"""How many different frequencies a peak can have, in quarters of a bin."""

_STEP_BITS = 11
_LOUDNESSES = 4
_LOUDNESS_FRAMES = 32
"""Frames within which the peaks of a song are told apart by loudness (0.512 s)."""

_FRAMES = len(KEPT_FRAMES) - 1
_STEPS = len(KEPT_STEPS) - 1
_CODES = (2 * _FRAMES + 1) * (_STEPS + 1)

_OF_STEP: NDArray[np.int64] = np.arange(_CODES) % (_STEPS + 1)
_OF_FRAME: NDArray[np.int64] = np.abs(np.arange(_CODES) // (_STEPS + 1) - _FRAMES)
_NEARNESS: NDArray[np.float64] = np.array(KEPT_FRAMES)[_OF_FRAME] * np.array(KEPT_STEPS)[_OF_STEP]
"""How likely a peak of the song lies in each way beside the one of the clip that it became."""

_KEPT_STEPS = np.array(KEPT_STEPS) * np.where(np.arange(_STEPS + 1), 2, 1)

_SHARES: NDArray[np.float64] = 0.01 * 1.35 ** np.arange(16, dtype=np.float64)
"""Shares of the song's peaks that a clip may have kept, 1 to 90 %: the likeliest one is taken."""

_KEPT: NDArray[np.float64] = np.minimum(
    _SHARES[:, None] * np.exp(LOUDEST_KEPT * (0.5 - (np.arange(_LOUDNESSES) + 0.5) / _LOUDNESSES)), MOST_SHARE
)
"""The same for peaks of each loudness, from loud to soft [shape=(shares, _LOUDNESSES)]."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What of a song could be heard in a clip.

    Attributes
    ----------
    near : uint8 [shape=(frames, STEPS)]
        0 where the clip has no peak nearby, else 1 and how the nearest one lies: ``(frames later + _FRAMES) * (_STEPS +
        1) + steps beside``.
    heard : float64 [shape=(STEPS, _STEPS + 1)]
        Share of the clip's frames at which each frequency has a peak so many steps beside it.
    usual : float64 [shape=(_STEPS + 1,)]
        The mean of all frequencies.
    surprise, toll : float64 [shape=(STEPS,)]
        Nats that a heard peak at each frequency is worth before it is looked at closely, and what chance gets of them.
    bonus : float64 [shape=(_CODES + 1,)]
        Nats that lying in some way beside a peak is worth more than lying in any way.
    timing : float64 [shape=(_CODES + 1,)]
        How much likelier a peak of the song lies so many frames beside the clip's than any other does.
    crowding : float64 [shape=(frames,)]
        How many times likelier chance is at each frame: two songs in step with each other meet at every beat.
    """

    near: NDArray[np.uint8]
    heard: Floats
    usual: Floats
    surprise: Floats
    toll: Floats
    bonus: Floats
    timing: Floats
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
        Mean and standard deviation of the frames of the clip at which peaks are heard, by what they prove.
    """

    heard: int
    score: float
    offset: float
    first: int
    last: int
    centre: float
    spread: float


def indexed_peaks(song: Fingerprint) -> NDArray[np.uint16]:
    """Return what the index holds of every peak of a song beside its time: its frequency and its loudness.

    Loud peaks are likelier kept by a clip than soft ones, so to hear or to miss them tells more.

    Returns
    -------
    uint16 [shape=(peaks,)]
        The frequency in quarters of a bin, and above it the quarter of its loudness rank, from loud to soft.
    """
    spans = song.frames // _LOUDNESS_FRAMES
    order = np.lexsort((-song.levels.astype(np.int16), spans))
    begins, ends = np.searchsorted(spans, spans), np.searchsorted(spans, spans, side="right")
    quarters = np.empty(len(order), np.uint16)
    quarters[order] = (np.arange(len(order)) - begins) * _LOUDNESSES // np.maximum(ends - begins, 1)
    return song.frequencies | quarters << np.uint16(_STEP_BITS)


def frequencies_of(peaks: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return the frequencies, in quarters of a bin, of peaks as `indexed_peaks` returns them."""
    return peaks & np.uint16(STEPS - 1)


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
    near, counts, of_frame, of_code = _near(frames.astype(np.int64), frequencies.astype(np.int64), _NEARNESS, length)
    heard = counts / length
    usual = heard.mean(axis=0)
    often = (heard.sum(axis=1) + COMMON_CHANCE * usual.sum()) / (1 + COMMON_CHANCE)
    chance = np.clip(often, LEAST_CHANCE, MOST_CHANCE)
    codes = of_code / max(of_code.sum(), 1)
    times = np.bincount(_OF_FRAME, codes)
    timing = np.array(KEPT_FRAMES) * np.where(np.arange(_FRAMES + 1), 2, 1) / np.maximum(times, LEAST_PART)
    return Evidence(
        near,
        heard,
        usual,
        -np.log(chance),
        -np.log(chance) * chance,
        np.append(0.0, np.log(_NEARNESS / np.maximum(codes, LEAST_PART / _CODES))),
        np.append(1.0, timing[_OF_FRAME]),
        np.maximum(1.0, of_frame / max(of_frame.mean(), 1.0)),
    )


def align(
    found: Evidence, frames: NDArray[np.uint32], peaks: NDArray[np.uint16], offsets: NDArray[np.int64]
) -> Alignment:
    """Return the best place of a clip in a song near the proposed ones.

    The score is the logarithm of a generalised likelihood ratio. Were the clip from elsewhere, a peak of the song
    would be heard as often as the rest of the clip has a peak near its frequency, and lie beside it in any way. If it
    is from here, a share of the peaks was kept by the clip, whichever share makes what is heard likeliest, and lies
    close beside; the others are heard by chance.

    Parameters
    ----------
    found : Evidence
        Of the clip.
    frames : uint32 [shape=(peaks,)]
        Time of the song's peaks.
    peaks : uint16 [shape=(peaks,)]
        As `indexed_peaks` returns them.
    offsets : int64 [shape=(places,)]
        Frames of the song at which the clip may begin, each good for the `2 * BIN_FRAMES` that follow.
    """
    best = _best_offset(found.near, found.surprise, found.toll, found.bonus, frames, peaks, offsets)
    begin, end = _within(frames, best, len(found.near))
    own = (frames[begin:end].astype(np.int64) - best, peaks[begin:end])
    return Alignment(*_score(found.near, found.heard, found.usual, found.timing, found.crowding, *own, best, _KEPT))


@njit(cache=True, nogil=True)
def _near(
    frames: NDArray[np.int64], frequencies: NDArray[np.int64], nearness: Floats, length: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    near = np.zeros((length, STEPS), np.uint8)
    of_step, of_frame = np.zeros((STEPS, _STEPS + 1), np.int64), np.zeros(length, np.int64)
    of_code = np.zeros(len(nearness), np.int64)
    for peak in range(len(frames)):
        for later in range(-_FRAMES, _FRAMES + 1):
            frame = frames[peak] - later
            if not 0 <= frame < length:
                continue
            for step in range(max(0, frequencies[peak] - _STEPS), min(STEPS, frequencies[peak] + _STEPS + 1)):
                beside = abs(step - frequencies[peak])
                code = (later + _FRAMES) * (_STEPS + 1) + beside
                before = np.int64(near[frame, step]) - 1
                if before < 0:
                    of_frame[frame] += 1
                elif nearness[before] >= nearness[code]:
                    continue
                else:
                    of_step[step, before % (_STEPS + 1)] -= 1
                    of_code[before] -= 1
                of_step[step, beside] += 1
                of_code[code] += 1
                near[frame, step] = code + 1
    return near, of_step, of_frame, of_code


@njit(cache=True, nogil=True)
def _within(frames: NDArray[np.uint32], offset: int, length: int) -> tuple[int, int]:
    """Return which peaks of a song lie in the clip."""
    return int(np.searchsorted(frames, max(0, offset))), int(np.searchsorted(frames, max(0, offset + length)))


@njit(cache=True, nogil=True)
def _best_offset(
    near: NDArray[np.uint8],
    surprise: Floats,
    toll: Floats,
    bonus: Floats,
    frames: NDArray[np.uint32],
    peaks: NDArray[np.uint16],
    offsets: NDArray[np.int64],
) -> int:
    most, best = -np.inf, 0
    for place in range(len(offsets)):
        for offset in range(offsets[place] - 1, offsets[place] + 2 * BIN_FRAMES + 1):
            begin, end = _within(frames, offset, len(near))
            nats = 0.0
            for peak in range(begin, end):
                step = peaks[peak] & (STEPS - 1)
                code = near[np.int64(frames[peak]) - offset, step]
                if code:
                    nats += max(surprise[step] + bonus[code], 0.0)
                nats -= toll[step]
            if nats > most:
                most, best = nats, offset
    return best


@njit(cache=True, nogil=True)
def _score(
    near: NDArray[np.uint8],
    heard: Floats,
    usual: Floats,
    timing: Floats,
    crowding: Floats,
    times: NDArray[np.int64],
    peaks: NDArray[np.uint16],
    offset: int,
    kept: Floats,
) -> tuple[int, float, float, int, int, float, float]:
    length = len(near)
    ratios, loudnesses = np.empty(len(times)), np.empty(len(times), np.int64)
    missed, heard_at = np.zeros(_LOUDNESSES, np.int64), np.empty(len(times), np.int64)
    count = late = 0
    for peak in range(len(times)):
        step, loudness = int(peaks[peak] & (STEPS - 1)), int(peaks[peak] >> _STEP_BITS)
        code = int(near[times[peak], step])
        if not code:
            missed[loudness] += 1
            continue
        likelier = _KEPT_STEPS[(code - 1) % (_STEPS + 1)] * timing[code]
        ratios[count] = likelier / _chance(heard[step], usual, (code - 1) % (_STEPS + 1), length, crowding[times[peak]])
        loudnesses[count], heard_at[count] = loudness, times[peak]
        late += (code - 1) // (_STEPS + 1) - _FRAMES
        count += 1
    if count == 0:
        return 0, 0.0, 0.0, 0, 0, 0.0, 0.0
    score, ratios, loudnesses, heard_at = 0.0, ratios[:count], loudnesses[:count], heard_at[:count]
    worth = np.ones(count)
    for share in kept:
        nats = np.log(share[loudnesses] * (ratios - 1) + 1)
        total = nats.sum() + (missed * np.log(1 - share)).sum()
        if total > score:
            score, worth = total, np.maximum(nats, 0.0) + LEAST_PART
    centre = (worth * heard_at).sum() / worth.sum()
    spread = np.sqrt((worth * (heard_at - centre) ** 2).sum() / worth.sum())
    return count, score, offset - late / count, heard_at[0], heard_at[-1], centre, spread


@njit(cache=True, nogil=True)
def _chance(heard: Floats, usual: Floats, beside: int, length: int, crowding: float) -> float:
    """Return how likely a peak of other music is heard at a frequency, and so many steps beside.

    Measured in the rest of the clip: the peak that was heard does not tell how often there is one.
    """
    own = min(float(heard[beside]), (2 * _FRAMES + 1) / length)
    any_way, this_way = float(heard.sum()) - own, float(heard[beside]) - own
    often = (any_way + COMMON_CHANCE * float(usual.sum())) / (1 + COMMON_CHANCE)
    part = (this_way + WAY_PRIOR * float(usual[beside])) / (any_way + WAY_PRIOR * float(usual.sum()))
    return min(min(max(often, LEAST_CHANCE), MOST_CHANCE) * crowding, MOST_CHANCE) * max(part, LEAST_PART)
