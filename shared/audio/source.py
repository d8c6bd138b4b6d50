"""What may an audio file claim, and what does a decoder give back?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from shared.errors import Rejected
from shared.events import AudioFormat

Samples = NDArray[np.float32]

BLOCK_S = 2
"""Length of the blocks that sources give, in seconds: long enough that no work per block is felt."""

RESAMPLER_OPTIONS = {"rematrix_maxval": "1.0"}
"""Options of libswresample. Without this one, mixing down to floating point makes stereo 3 dB louder than mono."""

CODECS = frozenset(
    {
        *("aac", "ac3", "alac", "eac3", "flac", "mp2", "mp2float", "mp3", "mp3float", "opus", "vorbis"),
        *("pcm_alaw", "pcm_mulaw", "pcm_s8", "pcm_u8"),
        *("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"),
        *("pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be"),
    }
)
"""FFmpeg decoders that may run, and only they: each further one is another parser of hostile bytes."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What a file may ask for.

    Attributes
    ----------
    max_duration_s : float
        Longest audio, in seconds. Two hours hold a long mix, and are 230 MB of samples at 8 kHz.
    min_sample_rate_hz, max_sample_rate_hz : int
        From telephone quality to studio masters. A 2 KB file that claims 1 Hz grows 22,000 times when resampled.
    max_channels : int
        Up to 7.1 surround; a header can claim 65,535.
    max_expansion : float
        Bytes of decoded audio, as float32, per byte of file. Speech at the lowest bit rates stays below 300;
        compressed silence reaches 5,000.
    free_expansion_bytes : int
        Decoded bytes that are never held against a file, so that a song may be silent for some minutes.
    """

    max_duration_s: float = 7_200.0
    min_sample_rate_hz: int = 8_000
    max_sample_rate_hz: int = 192_000
    max_channels: int = 8
    max_expansion: float = 1_000.0
    free_expansion_bytes: int = 256 * 1024 * 1024

    def check(self, sample_rate_hz: int, channels: int) -> None:
        """Refuse sound of a shape that no music has.

        Raises
        ------
        Rejected
            ``damaged``, ``unsupported_sample_rate`` or ``too_many_channels``.
        """
        if channels < 1 or sample_rate_hz < 1:
            raise Rejected("damaged", f"the header claims {channels} channels at {sample_rate_hz} Hz")
        if not self.min_sample_rate_hz <= sample_rate_hz <= self.max_sample_rate_hz:
            allowed = f"{self.min_sample_rate_hz} to {self.max_sample_rate_hz} Hz"
            raise Rejected("unsupported_sample_rate", f"the sample rate is {sample_rate_hz} Hz, not {allowed}")
        if channels > self.max_channels:
            raise Rejected("too_many_channels", f"the audio has {channels} channels, the limit is {self.max_channels}")


@dataclass(frozen=True, slots=True)
class Header:
    """What a file claims about its first audio stream.

    Attributes
    ----------
    decoder : str
        FFmpeg's name of the decoder that it needs; one of `CODECS` or refused.
    audio_format : AudioFormat
        How the stream is encoded.
    duration_s : float or None
        Its length, in seconds; None where the file does not say it.
    """

    decoder: str
    audio_format: AudioFormat
    duration_s: float | None


class Source(Protocol):
    """An open file.

    Attributes
    ----------
    broken : bool
        Some of the file could not be decoded. Known once all blocks were read.
    """

    broken: bool

    @property
    def header(self) -> Header:
        """What the file claims."""

    def blocks(self, sample_rate_hz: int, limit_s: float) -> Iterator[Samples]:
        """Decode, mix down to mono and resample; pass over what is damaged.

        Parameters
        ----------
        sample_rate_hz : int
            Rate of the blocks, in Hz.
        limit_s : float
            No more than about so many seconds are wanted.

        Yields
        ------
        float32 [shape=(n,)]
            About `BLOCK_S` of sound.
        """

    def __enter__(self) -> Self:
        """Return the source."""

    def __exit__(self, *_: object) -> None:
        """Close the file."""
