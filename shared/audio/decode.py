"""How does a file of unknown origin become mono samples, within limits that it cannot talk its way around?

What its header claims is checked first, because that is cheap; what comes out is counted too, because headers lie.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from shared.audio.ffmpeg_source import FfmpegSource
from shared.audio.pyav_source import PyavSource
from shared.audio.sniff import sniff
from shared.audio.source import CODECS, DecodeLimits, Header, Samples, Source
from shared.errors import Rejected
from shared.events import AudioFormat

__all__ = ["DecodeLimits", "Decoded", "DecoderName", "decode"]

DecoderName = Literal["pyav", "ffmpeg"]
"""FFmpeg's libraries in this process, or the ``ffmpeg`` and ``ffprobe`` programs."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """The sound of a file.

    Attributes
    ----------
    samples : float32 [shape=(n,)]
        Mono, full scale at 1.0, always finite.
    sample_rate_hz : int
        Rate of `samples`, in Hz.
    audio_format : AudioFormat
        How the file is encoded.
    duration_s : float
        Length of what was really decoded, in seconds.
    truncated : bool
        The file broke off or is damaged in places: it promised more than came out.
    """

    samples: Samples
    sample_rate_hz: int
    audio_format: AudioFormat
    duration_s: float
    truncated: bool


def decode(
    path: Path,
    *,
    sample_rate_hz: int,
    limits: DecodeLimits | None = None,
    max_output_s: float | None = None,
    decoder: DecoderName = "pyav",
) -> Decoded:
    """Decode the first audio stream of a file, mixed down to mono and resampled.

    Damage in the middle is passed over, so a file that breaks off gives what is there.

    Parameters
    ----------
    path : Path
        The file; its name plays no part.
    sample_rate_hz : int
        Rate of the result, in Hz.
    limits : DecodeLimits, optional
        What the file may ask for.
    max_output_s : float, optional
        Stop after so many seconds; the file may then be longer than the limit.
    decoder : {"pyav", "ffmpeg"}
        Which FFmpeg does the work.

    Raises
    ------
    Rejected
        ``empty_file``, ``not_audio``, ``no_audio_stream``, ``unsupported_codec``, ``unsupported_sample_rate``,
        ``too_many_channels``, ``too_long``, ``too_large_to_decode`` or ``damaged``.
    """
    limits = limits or DecodeLimits()
    kind = sniff(path)
    source: Source = PyavSource(path, kind, limits) if decoder == "pyav" else FfmpegSource(path, kind, limits)
    limit_s = limits.max_duration_s if max_output_s is None else max_output_s
    limit_samples = round(limit_s * sample_rate_hz)
    with source:
        header = source.header
        _check(header, limits)
        if max_output_s is None and header.duration_s is not None and header.duration_s > limit_s:
            raise _too_long(limit_s, f"{_clock(header.duration_s)} long")
        free_s = _free_duration_s(header, path.stat().st_size, limits)
        # A second more than wanted tells a file that goes on from one that ends here.
        samples = _collect(source.blocks(sample_rate_hz, limit_s + 1.0), limit_samples, round(free_s * sample_rate_hz))
    is_cut = len(samples) > limit_samples
    if is_cut and max_output_s is None:
        raise _too_long(limit_s, f"longer than {_clock(limit_s)}")
    if not len(samples):
        raise Rejected("damaged", f"nothing in the {kind.container} file can be decoded")
    samples = samples[:limit_samples]
    duration_s = len(samples) / sample_rate_hz
    missing_s = 0.0 if is_cut or header.duration_s is None else header.duration_s - duration_s
    return Decoded(
        samples=samples,
        sample_rate_hz=sample_rate_hz,
        audio_format=header.audio_format,
        duration_s=duration_s,
        truncated=source.broken or missing_s > max(1.0, 0.02 * duration_s),
    )


def _check(header: Header, limits: DecodeLimits) -> None:
    if header.decoder not in CODECS:
        raise Rejected("unsupported_codec", f"audio encoded as {header.audio_format.codec} is not supported")
    limits.check(header.audio_format.sample_rate_hz, header.audio_format.channels)


def _free_duration_s(header: Header, size_bytes: int, limits: DecodeLimits) -> float:
    """Return how much sound a file of this size may hold before it counts as a decompression bomb."""
    bytes_per_s = 4 * header.audio_format.sample_rate_hz * header.audio_format.channels
    return (limits.free_expansion_bytes + limits.max_expansion * size_bytes) / bytes_per_s


def _collect(blocks: Iterator[Samples], limit_samples: int, bomb_samples: int) -> Samples:
    """Join blocks until there are more than `limit_samples`; every sample is finite and of sane size."""
    collected: list[Samples] = []
    count = 0
    for block in blocks:
        # Files of floating-point samples may hold NaN and 1e38, which would spread through every later sum.
        collected.append(np.clip(np.nan_to_num(block, nan=0.0), np.float32(-16), np.float32(16)))
        count += len(block)
        if count > limit_samples:
            break
        if count > bomb_samples:
            raise Rejected("too_large_to_decode", "the file unpacks to far more audio than music of its size")
    return np.concatenate(collected) if collected else np.empty(0, np.float32)


def _too_long(limit_s: float, length: str) -> Rejected:
    return Rejected("too_long", f"the audio is {length}, the limit is {_clock(limit_s)}")


def _clock(duration_s: float) -> str:
    minutes, seconds = divmod(round(min(duration_s, 1e9)), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
