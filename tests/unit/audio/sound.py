"""How do the tests of this folder get real audio files?"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from shared.audio.decode import DecoderName

DECODERS: list[DecoderName] = ["pyav", "ffmpeg"] if shutil.which("ffmpeg") else ["pyav"]
"""Every decoder that this machine has."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to write one kind of file: the muxer and the encoder, and what reading it must say."""

    container: str
    muxer: str
    encoder: str
    codec: str
    sample_rate_hz: int = 44_100
    channels: int = 2


RECIPES = [
    Recipe("mp3", "mp3", "libmp3lame", "mp3"),
    Recipe("mp3", "mp3", "libmp3lame", "mp3", 22_050, 1),
    Recipe("wav", "wav", "pcm_s16le", "pcm_s16le"),
    Recipe("wav", "wav", "pcm_f32le", "pcm_f32le", 11_025, 6),
    Recipe("flac", "flac", "flac", "flac", 96_000),
    Recipe("ogg", "ogg", "vorbis", "vorbis"),
    Recipe("opus", "ogg", "libopus", "opus", 48_000),
    Recipe("mp4", "ipod", "aac", "aac"),
    Recipe("mov", "mov", "aac", "aac", 48_000, 1),
    Recipe("aac", "adts", "aac", "aac"),
    Recipe("webm", "webm", "libopus", "opus", 48_000),
    Recipe("matroska", "matroska", "aac", "aac"),
    Recipe("aiff", "aiff", "pcm_s16be", "pcm_s16be"),
]

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def tone(duration_s: float, *, frequency_hz: float = 440.0, sample_rate_hz: int = 44_100) -> NDArray[np.float32]:
    """Return a sine at a quarter of full scale."""
    time_s = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    return (0.25 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def write(
    path: Path,
    recipe: Recipe,
    samples: NDArray[np.float32],
    *,
    metadata: dict[str, str] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write mono samples to every channel of a file."""
    if recipe.encoder == "vorbis":
        with soundfile.SoundFile(path, "w", recipe.sample_rate_hz, recipe.channels, "VORBIS", format="OGG") as file:
            for key, value in (metadata or {}).items():
                setattr(file, "date" if key == "date" else key, value)
            for block in np.array_split(samples, 1 + len(samples) // 4096):
                file.write(np.repeat(block[:, None], recipe.channels, axis=1))
        return path
    with av.open(str(path), "w", format=recipe.muxer, options=options) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(recipe.encoder, rate=recipe.sample_rate_hz, layout=_LAYOUTS[recipe.channels])
        assert isinstance(stream, AudioStream)
        for begin in range(0, len(samples), recipe.sample_rate_hz):
            block = np.repeat(samples[None, begin : begin + recipe.sample_rate_hz], recipe.channels, axis=0)
            frame = AudioFrame.from_ndarray(block, format="fltp", layout=_LAYOUTS[recipe.channels])
            frame.sample_rate = recipe.sample_rate_hz
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def recipe(container: str) -> Recipe:
    """Return the first recipe of a kind."""
    return next(recipe for recipe in RECIPES if recipe.container == container)


def strongest_frequency_hz(samples: NDArray[np.float32], sample_rate_hz: int) -> float:
    """Return where the spectrum is highest."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * sample_rate_hz / len(samples))
