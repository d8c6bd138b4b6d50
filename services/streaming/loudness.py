"""How loud is a song to people, and by how much must a player turn it up or down?

Measured as EBU R 128 has it, that is by ITU-R BS.1770, block by block and in little memory. The gain is advice to
players: it is never baked into audio.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin, sosfilt

HOP_S = 0.1
"""Blocks begin every tenth of a second, in seconds."""
BLOCK_HOPS = 4
"""Length of the blocks of integrated loudness, 400 ms (BS.1770-5)."""
SHORT_TERM_HOPS = 30
"""Length of the blocks of loudness range, 3 s (EBU Tech 3342)."""
ABSOLUTE_GATE_LUFS = -70.0
TRUE_PEAK_CEILING_DBTP = -1.0
"""What no gain lifts a true peak above, in dBTP (EBU R 128)."""


@dataclass(frozen=True, slots=True)
class MeasuredLoudness:
    """How loud a song is.

    Attributes
    ----------
    integrated_lufs : float or None
        Loudness of the whole song, in LUFS; None where nothing in it is above -70 LUFS.
    range_lu : float
        Loudness range (EBU Tech 3342), in LU.
    true_peak_dbtp : float or None
        Highest peak between the samples too, in dBTP; None for digital silence.
    """

    integrated_lufs: float | None
    range_lu: float
    true_peak_dbtp: float | None

    def gain_db(self, target_lufs: float) -> float:
        """Return the gain, in dB, that brings the song to a loudness without lifting its peak above -1 dBTP."""
        if self.integrated_lufs is None or self.true_peak_dbtp is None:
            return 0.0
        return min(target_lufs - self.integrated_lufs, TRUE_PEAK_CEILING_DBTP - self.true_peak_dbtp)


class Loudness:
    """Measures a song while it is decoded; two hours take 0.6 MB.

    Parameters
    ----------
    sample_rate_hz : int
        Rate of the blocks, in Hz.
    channels : {1, 2}
        A mono song is one channel: as two equal ones it would measure 3 LU louder.
    """

    def __init__(self, sample_rate_hz: int, channels: int) -> None:
        self._hop = round(HOP_S * sample_rate_hz)
        self._filter = _k_weighting(sample_rate_hz)
        self._state: NDArray[np.float64] = np.zeros((len(self._filter), channels, 2))
        self._left: NDArray[np.float64] = np.empty(0)
        self._powers = array("d")
        self._peak = _TruePeak(sample_rate_hz, channels)

    def feed(self, block: NDArray[np.float32]) -> None:
        """Listen to the next block, of any length.

        Parameters
        ----------
        block : float32 [shape=(frames, channels)]
            Full scale at 1.0.
        """
        if not len(block):
            return
        samples = np.ascontiguousarray(block.T)
        self._peak.feed(samples)
        weighted, self._state = sosfilt(self._filter, samples, zi=self._state)
        # In digital silence the filters ring down to numbers that processors are very slow with.
        self._state[np.abs(self._state) < 1e-30] = 0.0
        power = np.concatenate([self._left, np.square(weighted).sum(axis=0)])
        whole = len(power) // self._hop * self._hop
        self._powers.extend(power[:whole].reshape(-1, self._hop).mean(axis=1))
        self._left = power[whole:]

    def result(self) -> MeasuredLoudness:
        """Return the loudness of what was heard so far."""
        powers = np.frombuffer(self._powers) if self._powers else np.empty(0)
        peak = self._peak.value
        true_peak_dbtp = 20 * math.log10(peak) if peak > 0 else None
        return MeasuredLoudness(_integrated_lufs(powers), _range_lu(powers), true_peak_dbtp)


def _integrated_lufs(powers: NDArray[np.float64]) -> float | None:
    """Return the gated loudness of powers by tenths of a second (BS.1770-5, annex 1), in LUFS."""
    blocks = _above(_means(powers, BLOCK_HOPS), ABSOLUTE_GATE_LUFS)
    if not len(blocks):
        return None
    return float(_lufs(_above(blocks, float(_lufs(blocks.mean())) - 10.0).mean()))


def _range_lu(powers: NDArray[np.float64]) -> float:
    """Return how far the loud parts are from the quiet ones (EBU Tech 3342), in LU."""
    blocks = _above(_means(powers, SHORT_TERM_HOPS), ABSOLUTE_GATE_LUFS)
    if not len(blocks):
        return 0.0
    low, high = np.percentile(_lufs(_above(blocks, float(_lufs(blocks.mean())) - 20.0)), (10, 95))
    return float(high - low)


def _means(powers: NDArray[np.float64], hops: int) -> NDArray[np.float64]:
    if len(powers) < hops:
        return np.empty(0)
    means: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(powers, hops).mean(axis=1)
    return means


def _above(powers: NDArray[np.float64], gate_lufs: float) -> NDArray[np.float64]:
    return powers[powers > 10 ** ((gate_lufs + 0.691) / 10)]


def _lufs(powers: NDArray[np.float64]) -> NDArray[np.float64]:
    lufs: NDArray[np.float64] = -0.691 + 10 * np.log10(powers)
    return lufs


def _k_weighting(sample_rate_hz: int) -> NDArray[np.float64]:
    """Return BS.1770's two filters for any sample rate, as second-order sections.

    The standard lists coefficients for 48 kHz alone; these parameters of the analogue filters behind them reproduce the
    list (Brecht De Man, "Evaluation of Implementations of the EBU R128 Loudness Measurement", AES 145, 2018).
    """
    k, q = np.tan(np.pi * 1681.974450955533 / sample_rate_hz), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    shelf = [high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k]
    shelf += [1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k]
    k, q = np.tan(np.pi * 38.13547087602444 / sample_rate_hz), 0.5003270373238773
    norm = 1 + k / q + k * k
    high_pass = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]
    return np.array([[value / shelf[3] for value in shelf], high_pass])


class _TruePeak:
    """Finds the highest peak of the signal between the samples, four times oversampled (BS.1770-5, annex 2)."""

    _FRAME = 64
    _TAPS = 16

    def __init__(self, sample_rate_hz: int, channels: int) -> None:
        self.value = 0.0
        factor = 4 if sample_rate_hz < 80_000 else 2 if sample_rate_hz < 160_000 else 1
        taps = np.append(factor * firwin(factor * self._TAPS - 1, 1 / factor, window=("kaiser", 5.0)), 0.0)
        phases = taps.reshape(self._TAPS, factor)[::-1, : factor - 1]  # the last phase gives the samples themselves
        self._most = float(np.abs(phases).sum(axis=0).max(initial=0.0))
        # All points between the samples of a frame are one product with this matrix.
        matrix = np.zeros((self._FRAME + self._TAPS - 1, self._FRAME, factor - 1), np.float32)
        for sample in range(self._FRAME):
            matrix[sample : sample + self._TAPS, sample] = phases
        self._matrix = matrix.reshape(len(matrix), self._FRAME * (factor - 1))
        self._left = np.zeros((channels, self._FRAME), np.float32)

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Look at the next float32 [shape=(channels, frames)]."""
        self.value = max(self.value, float(np.abs(samples).max(initial=0.0)))
        if not self._matrix.shape[1]:
            return
        joined = np.concatenate([self._left, samples], axis=1)
        whole = joined.shape[1] // self._FRAME * self._FRAME
        for channel in joined[:, :whole]:
            self._interpolate(channel)
        self._left = joined[:, whole - self._FRAME :]

    def _interpolate(self, channel: NDArray[np.float32]) -> None:
        peaks = np.abs(channel).reshape(len(channel) // self._FRAME, self._FRAME).max(axis=1)
        # Most frames can't reach the peak that is already known, whatever lies between their samples.
        promising = np.flatnonzero(np.maximum(peaks[1:], peaks[:-1]) * self._most > self.value)
        if len(promising):
            length = self._FRAME + self._TAPS - 1
            rows = np.lib.stride_tricks.sliding_window_view(channel, length)[
                self._FRAME - self._TAPS + 1 :: self._FRAME
            ]
            between = rows[promising] @ self._matrix
            self.value = max(self.value, float(between.max()), -float(between.min()))
