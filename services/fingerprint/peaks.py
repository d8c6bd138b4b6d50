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
    loudest_near = np.empty((power.shape[0], band), np.float32)
    for row in range(power.shape[0]):
        near = power[row, LOWEST_BIN - reach_bins : HIGHEST_BIN + reach_bins + 1]
        _sliding_maximum(near, 2 * reach_bins + 1, loudest_near[row])

    most = (end - begin) * (band // (reach_bins + 1) + 1)
    rows, steps, heights = np.empty(most, np.int64), np.empty(most, np.uint16), np.empty(most, np.float32)
    count = 0
    loudest_frame = 0.0
    for row in range(begin, end):
        frame_power = 0.0
        for column in range(band):
            height = power[row, LOWEST_BIN + column]
            frame_power += height
            if height < loudest_near[row, column] or height <= 0:
                continue
            if not _stands_out(loudest_near, row, column, height, reach_frames):
                continue
            if count and rows[count - 1] == row and steps[count - 1] >= STEPS_PER_BIN * (LOWEST_BIN + column - 1) - 2:
                continue  # two equal neighbours are one peak
            rows[count] = row
            steps[count] = _refined(power[row], LOWEST_BIN + column)
            heights[count] = height
            count += 1
        loudest_frame = max(loudest_frame, frame_power)
    return rows[:count], steps[:count], heights[:count], loudest_frame


@njit(cache=True, nogil=True)
def _sliding_maximum(values: NDArray[np.float32], width: int, maxima: NDArray[np.float32]) -> None:
    """Write the maximum of every `width` neighbours, from maxima of 2, 4, 8 … of them."""
    widest = values.copy()
    covered = 1
    while covered < width:
        step = min(covered, width - covered)
        for i in range(len(widest) - step):
            widest[i] = max(widest[i], widest[i + step])
        covered += step
    maxima[:] = widest[: len(maxima)]


@njit(cache=True, nogil=True)
def _stands_out(loudest_near: NDArray[np.float32], row: int, column: int, height: float, reach_frames: int) -> bool:
    # Strictly louder than before: of a note that is held without any change, only the onset is a peak.
    for other in range(max(0, row - reach_frames), row):
        if loudest_near[other, column] >= height:
            return False
    for other in range(row + 1, min(row + reach_frames + 1, loudest_near.shape[0])):
        if loudest_near[other, column] > height:
            return False
    return True


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
