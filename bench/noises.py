"""What else is heard where music plays: hiss, rumble, a crowd, the walls of a room?

Everything is made from a seeded generator: no recording of anybody is needed, and every run hears the same.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import signal

Samples = NDArray[np.float32]

SAMPLE_RATE_HZ = 44_100
"""Rate of everything that is made here and cut from songs."""

VOWELS_HZ = np.array(
    [
        *((270, 2290, 3010), (390, 1990, 2550), (530, 1840, 2480), (660, 1720, 2410), (730, 1090, 2440)),
        *((570, 840, 2410), (440, 1020, 2240), (300, 870, 2240), (640, 1190, 2390), (490, 1350, 1690)),
    ]
)
"""First three formants of ten vowels of men, in Hz. Source: Peterson and Barney, 1952, table II."""

FORMANT_WIDTHS_HZ = (90.0, 110.0, 170.0)
"""Width of the first three formants, in Hz."""

FORMANT_GAINS = (1.0, 0.35, 0.15)
"""Strength of the first three formants: a voice falls by about 6 dB an octave."""

VOICES = 24
"""Voices of a crowd: so many that none can be followed."""


def white(length: int, rng: Generator) -> Samples:
    """Return noise with the same power at every frequency."""
    return rng.standard_normal(length, dtype=np.float32)


def pink(length: int, rng: Generator) -> Samples:
    """Return noise with the same power in every octave above 20 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(length, 1 / SAMPLE_RATE_HZ), 20.0))
    return _unit_power(np.fft.irfft(spectrum, length))


def crowd(duration_s: float, rng: Generator) -> Samples:
    """Return many voices that speak at once in a room, over soft rumble."""
    length = round(duration_s * SAMPLE_RATE_HZ)
    voices = np.zeros(length, np.float32)
    for _ in range(VOICES):
        distance_db = rng.uniform(-8.0, 4.0)
        voices += _unit_power(voice(length, rng)) * np.float32(10 ** (distance_db / 20))
    echo = room_response(rng, reverberation_s=0.6, direct_to_reverberant_db=-3.0)
    heard = signal.fftconvolve(voices, echo)[:length]
    return _unit_power(_unit_power(heard) + 0.15 * pink(length, rng))


def voice(length: int, rng: Generator) -> Samples:
    """Return one voice: syllables of a buzz or a hiss, shaped by the formants of a vowel, with pauses.

    Parameters
    ----------
    length : int
        Samples at `SAMPLE_RATE_HZ`.
    rng : Generator
        Decides over pitch, size of the speaker, syllables and pauses.
    """
    speech = np.zeros(length, np.float32)
    pitch_hz = rng.uniform(85.0, 230.0)
    size = 1.0 + 0.18 * (pitch_hz - 85.0) / 145.0  # higher voices come from smaller heads
    begin = int(rng.integers(SAMPLE_RATE_HZ // 4))
    while begin < length:
        syllable = _syllable(pitch_hz * 2 ** rng.uniform(-0.25, 0.25), size, rng)[: length - begin]
        speech[begin : begin + len(syllable)] += syllable
        pause_s = rng.uniform(0.3, 1.0) if rng.random() < 0.08 else rng.uniform(-0.02, 0.05)
        begin += max(1, len(syllable) + round(pause_s * SAMPLE_RATE_HZ))
    return speech


def room_response(rng: Generator, *, reverberation_s: float, direct_to_reverberant_db: float) -> Samples:
    """Return the impulse response of a room: the direct sound, then noise that dies away, its treble faster.

    Parameters
    ----------
    rng : Generator
        Decides over the noise.
    reverberation_s : float
        Time in which the middle of the spectrum falls by 60 dB (RT60), in seconds.
    direct_to_reverberant_db : float
        How much stronger the direct sound is than all that follows, in dB.

    Returns
    -------
    float32 [shape=(samples,)]
        At `SAMPLE_RATE_HZ`, of unit energy.
    """
    time_s = np.arange(round(1.2 * reverberation_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = np.zeros(len(time_s))
    for low_hz, high_hz, share in ((80, 500, 1.15), (500, 4_000, 1.0), (4_000, 15_000, 0.6)):
        band = signal.butter(2, (low_hz, high_hz), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
        falling = np.exp(-np.log(1_000) * time_s / (share * reverberation_s))
        tail += signal.sosfilt(band, rng.standard_normal(len(time_s))) * falling
    tail[: round(0.003 * SAMPLE_RATE_HZ)] = 0.0  # the nearest wall is half a metre away
    response = tail / np.sqrt(np.sum(tail**2))
    response[0] = 10 ** (direct_to_reverberant_db / 20)
    return np.asarray(response / np.sqrt(np.sum(response**2)), np.float32)


def _syllable(pitch_hz: float, size: float, rng: Generator) -> Samples:
    length = round(rng.uniform(0.08, 0.28) * SAMPLE_RATE_HZ)
    if rng.random() < 0.2:
        source = 0.3 * rng.standard_normal(length)
    else:
        glide = pitch_hz * (1 + rng.uniform(-0.15, 0.15) * np.linspace(-1, 1, length))
        phase = np.cumsum(glide) / SAMPLE_RATE_HZ
        source = np.diff(np.floor(phase), prepend=0.0)  # one pulse a period
    vowel_hz = VOWELS_HZ[rng.integers(len(VOWELS_HZ))] * size
    spoken = np.zeros(length)
    for centre_hz, width_hz, gain in zip(vowel_hz, FORMANT_WIDTHS_HZ, FORMANT_GAINS, strict=True):
        formant = signal.iirpeak(centre_hz, centre_hz / width_hz, fs=SAMPLE_RATE_HZ)
        spoken += gain * signal.lfilter(*formant, source)
    return np.asarray(spoken * np.hanning(length) * rng.uniform(0.5, 1.0), np.float32)


def _unit_power(samples: NDArray[np.floating]) -> Samples:
    return np.asarray(samples / np.sqrt(np.mean(np.square(samples, dtype=np.float64)) + 1e-30), np.float32)
