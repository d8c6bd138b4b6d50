"""Which songs does a journey play with? Tunes of our own, in the encodings that people have."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from tunescout.clip import mix
from tunescout.synthesis import tune

SAMPLE_RATE_HZ = 22_050
SONG_S = 20.0

Samples = NDArray[np.float32]


@cache
def song(seed: int) -> Samples:
    """A song of its own for every seed."""
    return tune(seed, SONG_S, SAMPLE_RATE_HZ)


def write(path: Path, samples: Samples, **options: float) -> Path:
    """Write samples in the encoding that the name asks for."""
    soundfile.write(path, samples, SAMPLE_RATE_HZ, **options)
    return path


def noisy_clip(seed: int, *, begin_s: float, duration_s: float, snr_db: float) -> bytes:
    """A part of a song with white noise, as WAV."""
    first = round(begin_s * SAMPLE_RATE_HZ)
    part = song(seed)[first : first + round(duration_s * SAMPLE_RATE_HZ)]
    noise = np.random.default_rng(seed).standard_normal(len(part), dtype=np.float32)
    return wav(mix(part, noise, snr_db))


def wav(samples: Samples) -> bytes:
    """Samples as a WAV file."""
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, format="WAV")
    return file.getvalue()
