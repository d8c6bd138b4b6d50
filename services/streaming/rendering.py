"""How does a song become an equalized file? Block by block: a long song takes no more memory than a short one.

Runs in a worker process, because the bytes may be hostile.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self

import av
import numpy as np
import soundfile
from av.audio.frame import AudioFrame
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from services.streaming.decoding import OpenSong, open_song
from services.streaming.equalizer import Equalizer, EqualizerSettings, equalized, equalizer
from services.streaming.waveform import Waveform, WaveformPairs
from shared.audio.source import DecodeLimits
from shared.errors import Rejected

Format = Literal["wav", "flac", "mp3", "m4a"]
BitDepth = Annotated[Literal[16, 24], Field(description="Of WAV and FLAC, in bits per sample.")]
BIT_RATE_BPS = 256_000
"""Of MP3 and M4A, in bits per second: beyond what listening tests tell from the original."""
MAX_WAV_BYTES = 2**32 - 2**24
"""Chunks of WAV files tell their size in 32 bits; a block of samples less."""
PROGRESS_PAUSE_S = 0.25
VERSION = "render-1"
"""Part of the identity of a render: raised when equal requests begin to give other bytes."""

# AV_CODEC_FLAG_BITEXACT and AVFMT_FLAG_BITEXACT: no version in the bytes, so that equal requests make equal files.
_BITEXACT, _BITEXACT_FILE = 1 << 23, 0x0400
_ENCODERS = {"mp3": ("libmp3lame", "mp3"), "m4a": ("aac", "ipod")}


class RenderSpec(BaseModel):
    """What is to be made of a song."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: EqualizerSettings
    format: Format
    bit_depth: BitDepth = 16

    def meaning(self) -> RenderSpec:
        """Return the same without what makes no difference: equal meanings make equal files."""
        depth = self.bit_depth if self.format in ("wav", "flac") else 16
        return RenderSpec(settings=self.settings.meaning(), format=self.format, bit_depth=depth)

    def render_id(self, song_id: str) -> str:
        """Return the name of the file that this makes of a song."""
        meaning = self.meaning().model_dump_json(exclude_defaults=True)
        return hashlib.sha256(f"{VERSION}|{song_id}|{meaning}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """What was made.

    Attributes
    ----------
    sample_rate_hz : int
        Rate of the file: that of the song, in Hz.
    duration_s : float
        Its length, in seconds.
    headroom_db : float
        How much quieter the equalizer made it, in dB.
    before, after : WaveformPairs
        The outlines of the song and of the file.
    """

    sample_rate_hz: int
    duration_s: float
    headroom_db: float
    before: WaveformPairs
    after: WaveformPairs


def render(
    path: Path, target: Path, spec: RenderSpec, limits: DecodeLimits, max_bytes: int, progress: Path | None = None
) -> Rendered:
    """Equalize a song into a file, at the song's own rate.

    Parameters
    ----------
    path, target : Path
        The song, and the file to be made.
    spec : RenderSpec
        What is to be made.
    limits : DecodeLimits
        What the song may ask for.
    max_bytes : int
        Longest file that is made; of WAV no more than `MAX_WAV_BYTES`.
    progress : Path, optional
        A file that always tells how many seconds are done.

    Raises
    ------
    Rejected
        The song can't be decoded; or ``rate_unsupported``, ``too_large``, ``nothing_left``.
    """
    with open_song(path, limits) as song:
        worked_out = equalizer(spec.settings, song.sample_rate_hz)
        before, after, frames = Waveform(), Waveform(), 0
        report = _reporter(progress)
        with _output(target, spec, song, worked_out) as output:
            for block in equalized(_seen(song.blocks, before), worked_out):
                output.write(block)
                after.feed(block.astype(np.float32))
                frames += len(block)
                _check_size(target, spec, max_bytes)
                report(frames / song.sample_rate_hz)
    _check_size(target, spec, max_bytes)
    duration_s = frames / song.sample_rate_hz
    return Rendered(song.sample_rate_hz, duration_s, worked_out.headroom_db, before.result(), after.result())


def _check_size(target: Path, spec: RenderSpec, max_bytes: int) -> None:
    limit_bytes = min(max_bytes, MAX_WAV_BYTES) if spec.format == "wav" else max_bytes
    if target.stat().st_size > limit_bytes:
        reason = f"as {spec.format} the song takes more than the {limit_bytes / 2**30:.1f} GB that are allowed"
        raise Rejected("too_large", f"{reason}; other formats take less")


def _seen(blocks: Iterator[NDArray[np.float32]], waveform: Waveform) -> Iterator[NDArray[np.float32]]:
    for block in blocks:
        waveform.feed(block)
        yield block


def _reporter(progress: Path | None) -> Callable[[float], None]:
    reported_at = 0.0

    def report(done_s: float) -> None:
        nonlocal reported_at
        if progress is not None and time.monotonic() - reported_at > PROGRESS_PAUSE_S:
            reported_at = time.monotonic()
            progress.write_text(f"{done_s:.3f}")

    return report


# --- Files ----------------------------------------------------------------------------------------------------------


class _Output(AbstractContextManager["_Output"], Protocol):
    def write(self, block: NDArray[np.float64]) -> None:
        """Append float64 [shape=(frames, channels)]."""


def _output(target: Path, spec: RenderSpec, song: OpenSong, worked_out: Equalizer) -> _Output:
    if spec.format == "wav" or spec.format == "flac":
        return _Lossless(target, spec, song, dithered=spec.bit_depth == 16 and not worked_out.is_flat)
    return _Lossy(target, spec.format, song)


class _Lossless(_Output):
    """WAV or FLAC. Samples are rounded here, because libsndfile scales by 32,767 and would change those of the song."""

    def __init__(self, target: Path, spec: RenderSpec, song: OpenSong, *, dithered: bool) -> None:
        self._depth = spec.bit_depth
        # Without noise of its own the rounding of 16 bits would be heard in fades. Its seed is fixed, so that equal
        # requests make equal files.
        self._noise = np.random.default_rng(0) if dithered else None
        self._file = soundfile.SoundFile(
            target, "w", song.sample_rate_hz, song.channels, f"PCM_{spec.bit_depth}", format=spec.format.upper()
        )

    def write(self, block: NDArray[np.float64]) -> None:
        steps = block * 2.0 ** (self._depth - 1)
        if self._noise is not None:
            steps += self._triangular(block.shape)
        limit = 2 ** (self._depth - 1)
        np.clip(np.rint(steps, out=steps), -limit, limit - 1, out=steps)
        self._file.write(steps.astype(np.int16) if self._depth == 16 else steps.astype(np.int32) << 8)

    def _triangular(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return noise of one step to either side, which makes the error of rounding independent of the music."""
        assert self._noise is not None
        pairs = self._noise.random((*shape, 2), dtype=np.float32)
        return np.subtract(pairs[..., 0], pairs[..., 1])

    def __exit__(self, *_: object) -> None:
        self._file.close()


class _Lossy(_Output):
    """MP3 or M4A."""

    def __init__(self, target: Path, kind: Literal["mp3", "m4a"], song: OpenSong) -> None:
        encoder, muxer = _ENCODERS[kind]
        rates_hz = av.Codec(encoder, "w").audio_rates or [song.sample_rate_hz]
        if song.sample_rate_hz not in rates_hz:
            reason = f"{kind} can't hold {song.sample_rate_hz} samples a second, which the song has; WAV and FLAC can"
            raise Rejected("rate_unsupported", reason)
        self._rate_hz = song.sample_rate_hz
        self._layout = "mono" if song.channels == 1 else "stereo"
        self._container = av.open(str(target), "w", format=muxer)
        self._container.flags = int(self._container.flags) | _BITEXACT_FILE
        stream: Any = self._container.add_stream(encoder, rate=song.sample_rate_hz, layout=self._layout)
        stream.bit_rate = BIT_RATE_BPS
        stream.codec_context.flags |= _BITEXACT
        self._stream = stream

    def write(self, block: NDArray[np.float64]) -> None:
        packed = np.ascontiguousarray(block, np.float32).reshape(1, -1)
        frame = AudioFrame.from_ndarray(packed, format="flt", layout=self._layout)
        frame.sample_rate = self._rate_hz
        self._container.mux(self._stream.encode(frame))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
