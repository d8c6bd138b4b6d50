"""What does a song look like from afar? A fixed number of pairs: the lowest and the highest sample of each stretch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PAIRS = 1800
"""How many stretches a song is divided into."""
_BINS = 131_072
"""How many bins there are at most; those of a song of more than some seconds are between this and half of it."""


@dataclass(frozen=True, slots=True, eq=False)
class WaveformPairs:
    """The outline of a song, over all its channels.

    Attributes
    ----------
    minima, maxima : int8 [shape=(1800,)]
        Lowest and highest sample of each stretch of equal length; full scale at 127.
    """

    minima: NDArray[np.int8]
    maxima: NDArray[np.int8]


class Waveform:
    """Draws a song while it is decoded, without knowing how long it will be.

    It starts with the finest bins and joins them two by two whenever there are too many, so an hour takes as little
    memory as a minute: 1 MB.
    """

    def __init__(self) -> None:
        self._frames_per_bin = 1
        self._bins = np.empty((2, _BINS), np.float32)
        self._filled = 0
        self._left: NDArray[np.float32] | None = None

    def feed(self, block: NDArray[np.float32]) -> None:
        """Look at the next block, of any length.

        Parameters
        ----------
        block : float32 [shape=(frames, channels)]
            Full scale at 1.0.
        """
        if self._left is not None:
            block = np.concatenate([self._left, block])
        begin = 0
        while (count := min((len(block) - begin) // self._frames_per_bin, _BINS - self._filled)) > 0:
            end = begin + count * self._frames_per_bin
            samples = block[begin:end].reshape(-1)
            begins = np.arange(count) * (len(samples) // count)  # `reduceat` is faster here than rows and axes
            self._bins[0, self._filled : self._filled + count] = np.minimum.reduceat(samples, begins)
            self._bins[1, self._filled : self._filled + count] = np.maximum.reduceat(samples, begins)
            self._filled += count
            begin = end
            if self._filled == _BINS:
                self._coarsen()
        self._left = block[begin:].copy()

    def _coarsen(self) -> None:
        half = _BINS // 2
        self._bins[0, :half] = self._bins[0].reshape(half, 2).min(axis=1)
        self._bins[1, :half] = self._bins[1].reshape(half, 2).max(axis=1)
        self._filled = half
        self._frames_per_bin *= 2

    def result(self) -> WaveformPairs:
        """Return the outline of what was heard so far; of nothing it is flat."""
        bins = self._bins[:, : self._filled]
        if self._left is not None and len(self._left):
            bins = np.concatenate([bins, [[self._left.min()], [self._left.max()]]], axis=1)
        count = bins.shape[1]
        if not count:
            return WaveformPairs(np.zeros(PAIRS, np.int8), np.zeros(PAIRS, np.int8))
        # Where there are fewer bins than stretches, `reduceat` takes one bin for each.
        begins = np.arange(PAIRS) * count // PAIRS
        return WaveformPairs(
            _as_int8(np.minimum.reduceat(bins[0], begins)), _as_int8(np.maximum.reduceat(bins[1], begins))
        )


def _as_int8(samples: NDArray[np.float32]) -> NDArray[np.int8]:
    return np.clip(np.rint(samples * 127), -127, 127).astype(np.int8)
