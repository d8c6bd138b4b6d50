"""Which points of a spectrogram will still be there after noise, a codec and a loudspeaker?

Those that are louder than everything around them. A point is a peak when it is the maximum of the rectangle
of the reach around it; of these, the loudest of every half second are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.fingerprint.parameters import (
    FLOOR_DB,
    HIGHEST_BIN,
    LOWEST_BIN,
    QUOTA_FRAMES,
    REACH_BINS,
    REACH_FRAMES,
)
from services.fingerprint.spectrogram import FULL_SCALE_POWER, Block
from shared.fingerprint import STEPS_PER_BIN


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Local maxima of a spectrogram, sorted by frame, then by frequency.

    Attributes
    ----------
    frames : uint32 [shape=(peaks,)]
        Time, in spectrogram frames.
    frequencies : uint16 [shape=(peaks,)]
        Frequency, in quarters of a bin.
    powers : float32 [shape=(peaks,)]
        Squared magnitude.
    loudest_dbfs : float
        Root-mean-square level of the loudest frame in the band where peaks are looked for.
    """

    frames: NDArray[np.uint32]
    frequencies: NDArray[np.uint16]
    powers: NDArray[np.float32]
    loudest_dbfs: float


def find_peaks(spectrogram: Iterable[Block], reach_bins: int = REACH_BINS, reach_frames: int = REACH_FRAMES) -> Peaks:
    """Return all local maxima of a spectrogram whose blocks overlap by `reach_frames`.

    Parameters
    ----------
    spectrogram : iterable of Block
        The recording.
    reach_bins, reach_frames : int
        How far around a peak everything is less loud; those of a song where nothing else is said.
    """
    frames, frequencies, powers = [np.empty(0, np.uint32)], [np.empty(0, np.uint16)], [np.empty(0, np.float32)]
    loudest = 0.0
    for block in spectrogram:
        rows, steps, heights, frame_power = _local_maxima(block.power, block.begin, block.end, reach_bins, reach_frames)
        frames.append((rows + block.first_frame).astype(np.uint32))
        frequencies.append(steps)
        powers.append(heights)
        loudest = max(loudest, frame_power)
    level_dbfs = 10 * np.log10(max(loudest, 1e-30) / FULL_SCALE_POWER)
    return Peaks(np.concatenate(frames), np.concatenate(frequencies), np.concatenate(powers), float(level_dbfs))


def strongest(peaks: Peaks, quota: int) -> NDArray[np.intp]:
    """Return the positions of the `quota` loudest peaks of every `QUOTA_FRAMES`, in their order.

    Ranks decide instead of a threshold: a quiet passage is remembered by as many peaks as a loud one.
    """
    if not len(peaks.powers):
        return np.empty(0, np.intp)
    spans = peaks.frames // QUOTA_FRAMES
    order = np.lexsort((-peaks.powers, spans))
    sorted_spans = spans[order]
    rank = np.arange(len(order)) - np.searchsorted(sorted_spans, sorted_spans)
    audible = peaks.powers >= peaks.powers.max() * 10 ** (-FLOOR_DB / 10)
    return np.sort(order[(rank < quota) & audible[order]])


@njit(cache=True, nogil=True)
def _local_maxima(
    power: NDArray[np.float32], begin: int, end: int, reach_bins: int, reach_frames: int
) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.float32], float]:
    """Return rows, quarter-bin frequencies and powers of the maxima in rows `begin` to `end`, and the loudest frame."""
    band = HIGHEST_BIN - LOWEST_BIN + 1
    # Rows of zeros stand for what lies before the recording and after it.
    near = np.zeros((len(power) + 2 * reach_frames, band), np.float32)
    _maxima_in_rows(power[:, LOWEST_BIN - reach_bins : HIGHEST_BIN + reach_bins + 1], near[reach_frames:])
    next_to = _maxima_over_rows(near, reach_frames)

    most = (end - begin) * (band // (reach_bins + 1) + 1)
    rows, steps, heights = np.empty(most, np.int64), np.empty(most, np.uint16), np.empty(most, np.float32)
    bounds = np.empty(band, np.float32)
    count = 0
    loudest_frame = 0.0
    for row in range(begin, end):
        spectrum, before, after = power[row], next_to[row], next_to[row + reach_frames + 1]
        loudest_frame = max(loudest_frame, _sum(spectrum[LOWEST_BIN : HIGHEST_BIN + 1]))
        _larger(before, after, bounds)
        _raise(bounds, near[row + reach_frames])
        for column in range(band):
            height = spectrum[LOWEST_BIN + column]
            if height < bounds[column]:  # as nearly all are
                continue
            if height <= before[column]:
                continue  # of a note that is held without any change, only the onset is a peak
            if count and rows[count - 1] == row and steps[count - 1] >= STEPS_PER_BIN * (LOWEST_BIN + column - 1) - 2:
                continue  # two equal neighbours are one peak
            rows[count] = row
            steps[count] = _refined(spectrum, LOWEST_BIN + column)
            heights[count] = height
            count += 1
    return rows[:count], steps[:count], heights[:count], loudest_frame


@njit(cache=True, nogil=True)
def _maxima_in_rows(rows: NDArray[np.float32], maxima: NDArray[np.float32]) -> None:
    """Write the maxima of all stretches of a row that are as wide as it is wider than `maxima`, and one more."""
    width = rows.shape[1] - maxima.shape[1] + 1
    covers, wider = np.empty(rows.shape[1], np.float32), np.empty(rows.shape[1], np.float32)
    for row in range(len(rows)):
        covers[:] = rows[row]
        covered = 1
        while 2 * covered < width:
            _larger(covers, covers[covered:], wider[: len(covers) - covered])
            covers, wider = wider, covers
            covered *= 2
        _larger(covers, covers[width - covered :], maxima[row])


@njit(cache=True, nogil=True)
def _maxima_over_rows(rows: NDArray[np.float32], height: int) -> NDArray[np.float32]:
    """Return the maximum of every row and the ``height - 1`` next ones, for each column."""
    maxima = rows.copy()
    covered = 1
    while covered < height:
        step = min(covered, height - covered)
        for row in range(len(maxima) - step):
            _raise(maxima[row], maxima[row + step])
        covered += step
    return maxima


@njit(cache=True, nogil=True)
def _larger(one: NDArray[np.float32], other: NDArray[np.float32], larger: NDArray[np.float32]) -> None:
    for i in range(len(larger)):
        larger[i] = one[i] if one[i] > other[i] else other[i]


@njit(cache=True, nogil=True)
def _raise(values: NDArray[np.float32], least: NDArray[np.float32]) -> None:
    for i in range(len(values)):
        values[i] = values[i] if values[i] > least[i] else least[i]


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})  # the terms may be added in any order
def _sum(values: NDArray[np.float32]) -> float:
    total = 0.0
    for i in range(len(values)):
        total += values[i]
    return total


@njit(cache=True, nogil=True)
def _refined(spectrum: NDArray[np.float32], peak: int) -> int:
    """Return the frequency in quarter bins: the vertex of the parabola through the three logarithmic magnitudes."""
    tiny = np.float32(1e-30)
    left, middle, right = (
        np.log(spectrum[peak - 1] + tiny),
        np.log(spectrum[peak] + tiny),
        np.log(spectrum[peak + 1] + tiny),
    )
    curvature = left - 2 * middle + right
    shift = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
    return int(np.floor(STEPS_PER_BIN * (peak + min(max(shift, -0.5), 0.5)) + 0.5))
