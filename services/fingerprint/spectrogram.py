"""How loud is which frequency when?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numba import njit
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from services.fingerprint.parameters import BLOCK_FRAMES
from shared.fingerprint import HOP, WINDOW

_HANN: NDArray[np.float32] = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
FULL_SCALE_POWER = float(WINDOW * np.sum(np.square(_HANN, dtype=np.float64)) / 2)
"""Sum of one frame's power over all bins for a signal whose mean square is 1 (Parseval's theorem)."""

SINE_POWER = float(np.square(np.sum(_HANN, dtype=np.float64) / 2))
"""Power of the peak of a sine at full scale in the middle of a bin."""

_TRANSFORMED_FRAMES = 64
"""Frames transformed at once: their windows and spectra take half a megabyte, which a core's own cache holds."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A stretch of a spectrogram, with some frames more on either side where the recording has them.

    Attributes
    ----------
    power : float32 [shape=(frames, WINDOW // 2 + 1)]
        Squared magnitudes. Their order is that of the level in decibels, and no logarithm has to be taken.
    first_frame : int
        The recording's frame that is row 0 of `power`.
    begin, end : int
        Rows that belong to this block; the others belong to its neighbours.
    """

    power: NDArray[np.float32]
    first_frame: int
    begin: int
    end: int


def frame_count(sample_count: int) -> int:
    """Return how many whole frames fit into a recording."""
    return max(0, (sample_count - WINDOW) // HOP + 1)


def blocks(samples: NDArray[np.float32], overlap_frames: int, block_frames: int = BLOCK_FRAMES) -> Iterator[Block]:
    """Yield the spectrogram of a recording block by block, so that its length does not decide about memory.

    Parameters
    ----------
    samples : float32 [shape=(samples,)]
        The recording at `shared.fingerprint.SAMPLE_RATE_HZ`, mono.
    overlap_frames : int
        Frames of the neighbouring blocks that every block carries with it.
    block_frames : int
        Frames that belong to each block.
    """
    frames = frame_count(len(samples))
    room = np.empty((_TRANSFORMED_FRAMES, WINDOW), np.float32)
    for begin in range(0, frames, block_frames):
        end = min(begin + block_frames, frames)
        first, last = max(0, begin - overlap_frames), min(end + overlap_frames, frames)
        windows = sliding_window_view(samples[first * HOP : (last - 1) * HOP + WINDOW], WINDOW)[::HOP]
        power = np.empty((len(windows), WINDOW // 2 + 1), np.float32)
        for row in range(0, len(windows), _TRANSFORMED_FRAMES):
            few = slice(row, row + _TRANSFORMED_FRAMES)
            windowed = np.multiply(windows[few], _HANN, out=room[: len(windows[few])])
            _square(scipy.fft.rfft(windowed, axis=1).view(np.float32), power[few])
        yield Block(power, first, begin - first, end - first)


@njit(cache=True, nogil=True)
def _square(spectra: NDArray[np.float32], power: NDArray[np.float32]) -> None:
    """Write the squared magnitudes of complex numbers, given as real and imaginary parts in turns."""
    for row in range(len(power)):
        parts, squares = spectra[row], power[row]
        for i in range(len(squares)):
            squares[i] = parts[2 * i] * parts[2 * i] + parts[2 * i + 1] * parts[2 * i + 1]
