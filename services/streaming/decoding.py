"""How does a song's file become blocks of samples at its own rate, mono or stereo, as it is played?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.audio.pyav_source import PyavSource
from shared.audio.sniff import sniff
from shared.audio.source import BLOCK_S, CODECS, DecodeLimits
from shared.errors import Rejected


@dataclass(frozen=True, slots=True)
class OpenSong:
    """A song that is being decoded.

    Attributes
    ----------
    sample_rate_hz : int
        Its own rate, in Hz.
    channels : {1, 2}
        Those of the blocks; more than two are mixed to two.
    duration_s : float or None
        What the file claims, in seconds; None where it does not say.
    blocks : iterator of float32 [shape=(frames, channels)]
        The song, once; every sample is finite. Raises `Rejected` (``too_long``, ``damaged``) on the way.
    """

    sample_rate_hz: int
    channels: int
    duration_s: float | None
    blocks: Iterator[NDArray[np.float32]]


@contextmanager
def open_song(path: Path, limits: DecodeLimits) -> Iterator[OpenSong]:
    """Open a song for decoding.

    Raises
    ------
    Rejected
        ``empty_file``, ``not_audio``, ``no_audio_stream``, ``unsupported_codec``, ``unsupported_sample_rate``,
        ``too_many_channels`` or ``damaged``.
    """
    with PyavSource(path, sniff(path), limits) as source:
        claimed = source.header
        if claimed.decoder not in CODECS:
            raise Rejected("unsupported_codec", f"audio encoded as {claimed.audio_format.codec} is not supported")
        limits.check(claimed.audio_format.sample_rate_hz, claimed.audio_format.channels)
        rate_hz, channels = claimed.audio_format.sample_rate_hz, min(2, claimed.audio_format.channels)
        yield OpenSong(rate_hz, channels, claimed.duration_s, _blocks(source, rate_hz, channels, limits))


def _blocks(source: PyavSource, rate_hz: int, channels: int, limits: DecodeLimits) -> Iterator[NDArray[np.float32]]:
    heard_frames = 0
    for frame in source.converted("mono" if channels == 1 else "stereo", rate_hz, BLOCK_S * rate_hz):
        samples = frame.to_ndarray().reshape(-1, channels)
        heard_frames += len(samples)
        if heard_frames > limits.max_duration_s * rate_hz:
            raise Rejected("too_long", f"the audio is longer than {limits.max_duration_s:g} s")
        # Files of floating-point samples may hold NaN and 1e38, which would spread through every filter.
        yield np.clip(np.nan_to_num(samples, nan=0.0), np.float32(-16), np.float32(16))
    if not heard_frames:
        raise Rejected("damaged", "nothing in the file can be decoded")
