"""What do we remember of how a song sounds?

A fingerprint is the constellation of a recording: the peaks of its spectrogram. Landmarks and hashes follow from them,
so the index can change its hash without decoding any audio again.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALGORITHM = "peaks-2"
"""Version of the peak extraction that this code computes and can compare."""

SAMPLE_RATE_HZ = 8_000
"""Rate of the audio that is analysed: phones, radio and low bit rates keep what lies below 4 kHz."""

WINDOW = 1_024
"""Samples of one spectrogram frame (128 ms)."""

HOP = 128
"""Samples from one spectrogram frame to the next (16 ms)."""

FRAME_RATE_HZ = SAMPLE_RATE_HZ / HOP
"""Spectrogram frames a second (62.5). Frame 0 begins with the first sample."""

BIN_WIDTH_HZ = SAMPLE_RATE_HZ / WINDOW
"""Distance between two spectrogram bins (7.8125 Hz)."""

STEPS_PER_BIN = 4
"""Resolution of a peak's frequency: quarters of a bin."""

LEVEL_OF_FULL_SCALE = 200
"""Level of a sine at full scale, in decibels: levels down to -200 dBFS, and what is clipped, fit into a byte."""

_HEADER = struct.Struct("<4sBBdII")
"""Magic, format version, length of the algorithm's name, duration in seconds, peaks, CRC-32 of all else."""
_MAGIC = b"TSFP"
_FORMAT = 2
_MOST_PEAKS = 1 << 22
"""More than the peaks of 17 hours at 60 a second: a header that claims more is damaged."""
_LONG_STEP = 255
"""Escape of the one-byte frame steps: the step itself stands in a list of 32-bit numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """Peaks of one recording, sorted by frame, then by frequency.

    Attributes
    ----------
    algorithm : str
        Version of the peak extraction; only fingerprints of one version can be compared.
    duration_s : float
        Length of the audio the peaks come from, in seconds.
    frames : uint32 [shape=(peaks,)]
        Time of each peak, in spectrogram frames.
    frequencies : uint16 [shape=(peaks,)]
        Frequency of each peak, in quarters of a spectrogram bin.
    levels : uint8 [shape=(peaks,)]
        Level of each peak, in decibels; `LEVEL_OF_FULL_SCALE` is a sine at full scale. Levels rank the peaks of one
        recording: which of them form landmarks, and which are only evidence.
    """

    algorithm: str
    duration_s: float
    frames: NDArray[np.uint32]
    frequencies: NDArray[np.uint16]
    levels: NDArray[np.uint8]

    def pack(self) -> bytes:
        """Return the stored form: a header, then delta-coded and compressed peaks, less than 3 bytes each.

        The peaks are laid out by column, because bytes that mean the same compress best side by side: steps between
        frames, steps of 255 and more, high bytes and low bytes of the frequencies, levels.

        Raises
        ------
        ValueError
            The peaks are out of order or too many, or the algorithm's name is too long.
        """
        frames = self.frames.astype(np.int64)
        steps = np.diff(frames, prepend=0)
        name = self.algorithm.encode()
        lengths = {len(frames), len(self.frequencies), len(self.levels)}
        if len(lengths) > 1 or len(frames) > _MOST_PEAKS or len(name) > 255 or (steps < 0).any():
            raise ValueError("not a fingerprint: its peaks must be sorted by frame, and fewer than 4 million")
        columns = (
            np.minimum(steps, _LONG_STEP).astype(np.uint8),
            steps[steps >= _LONG_STEP].astype("<u4"),
            (self.frequencies >> 8).astype(np.uint8),
            (self.frequencies & 0xFF).astype(np.uint8),
            self.levels,
        )
        body = name + zlib.compress(b"".join(column.tobytes() for column in columns), 9)
        return _header(len(name), self.duration_s, len(frames), body) + body

    @classmethod
    def unpack(cls, data: bytes) -> Fingerprint:
        """Read the stored form.

        Raises
        ------
        ValueError
            The bytes are not a fingerprint, are damaged, or of a format this version does not know.
        """
        if len(data) < _HEADER.size or data[:4] != _MAGIC:
            raise ValueError("not a packed fingerprint")
        _, version, name_length, duration_s, count, _ = _HEADER.unpack_from(data)
        if version != _FORMAT:
            raise ValueError(f"packed fingerprint of format {version}, known is {_FORMAT}")
        body = data[_HEADER.size :]
        if data[: _HEADER.size] != _header(name_length, duration_s, count, body) or count > _MOST_PEAKS:
            raise ValueError("packed fingerprint is damaged")
        if not (math.isfinite(duration_s) and duration_s >= 0):
            raise ValueError(f"packed fingerprint has a duration of {duration_s} s")
        try:
            algorithm = body[:name_length].decode()
            # The claimed count bounds what is allocated: 4 bytes a peak, 4 more where a step is long.
            peaks = zlib.decompressobj().decompress(body[name_length:], 8 * count + 1)
        except zlib.error as error:
            raise ValueError("packed fingerprint is damaged") from error
        steps = np.frombuffer(peaks, np.uint8, min(count, len(peaks))).astype(np.int64)
        long_steps = np.flatnonzero(steps == _LONG_STEP)
        if len(peaks) != 4 * count + 4 * len(long_steps):
            raise ValueError("packed fingerprint is damaged")
        steps[long_steps] = np.frombuffer(peaks, "<u4", len(long_steps), count)
        frames = np.cumsum(steps)
        if count and frames[-1] > 0xFFFF_FFFF:
            raise ValueError("packed fingerprint is damaged")
        high, low, levels = np.frombuffer(peaks, np.uint8, 3 * count, len(peaks) - 3 * count).reshape(3, count)
        frequencies = ((high.astype(np.uint16) << 8) | low).astype(np.uint16)
        return cls(algorithm, duration_s, frames.astype(np.uint32), frequencies, levels)


def _header(name_length: int, duration_s: float, count: int, body: bytes) -> bytes:
    blank = _HEADER.pack(_MAGIC, _FORMAT, name_length, duration_s, count, 0)
    return _HEADER.pack(_MAGIC, _FORMAT, name_length, duration_s, count, zlib.crc32(body, zlib.crc32(blank)))
