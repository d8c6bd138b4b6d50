"""Where does music come from when there is none at hand?

A seed decides over key, tempo, harmony, melody, instruments and drums, so that two tunes differ as two songs do. The
same seed is the same tune at every sample rate and on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_SCALES = (
    (0, 2, 4, 5, 7, 9, 11),
    (0, 2, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 9, 10),
    (0, 2, 4, 5, 7, 9, 10),
    (0, 1, 3, 5, 7, 8, 10),
    (0, 2, 3, 5, 7, 8, 11),
)
"""Semitones above the root: major, minor, Dorian, Mixolydian, Phrygian, harmonic minor."""


@dataclass(frozen=True, slots=True)
class _Sound:
    """One sound to be mixed in: partials that swell and fade together.

    Attributes
    ----------
    begin_s, length_s : float
        When it begins, and how long until it is cut off.
    frequencies_hz, gains, phases : tuple of float
        One value a partial; phases in radians.
    attack_s, decay_s : float
        Time constants of the envelope.
    """

    begin_s: float
    length_s: float
    frequencies_hz: tuple[float, ...]
    gains: tuple[float, ...]
    phases: tuple[float, ...]
    attack_s: float
    decay_s: float


@dataclass(frozen=True, slots=True)
class _Instrument:
    gains: tuple[float, ...]
    stretch: float
    attack_s: float
    decay_s: float
    level: float

    def note(self, begin_s: float, length_s: float, pitch: float, velocity: float) -> _Sound:
        """Return a note; pitch in semitones, 69 is 440 Hz."""
        fundamental_hz = 440.0 * 2 ** ((pitch - 69) / 12)
        count = len(self.gains)
        return _Sound(
            begin_s,
            length_s,
            tuple(fundamental_hz * n * (1 + self.stretch * n * n) for n in range(1, count + 1)),
            tuple(self.level * velocity * gain for gain in self.gains),
            tuple(pitch * n for n in range(count)),
            self.attack_s,
            self.decay_s,
        )


def tune(seed: int, duration_s: float, sample_rate_hz: int) -> Samples:
    """Return a tune for chords, bass, melody and drums.

    Parameters
    ----------
    seed : int
        Which tune; a longer one with the same seed begins with the shorter one.
    duration_s : float
        Its length, in seconds.
    sample_rate_hz : int
        Samples a second; partials above 0.45 of it are left out.

    Returns
    -------
    float32 [shape=(duration_s * sample_rate_hz,)]
        Mono, root mean square 0.1.
    """
    mix = np.zeros(round(duration_s * sample_rate_hz))
    for sound in _sounds(np.random.default_rng(seed), duration_s):
        _add(mix, sound, sample_rate_hz)
    level = np.sqrt(np.mean(np.square(mix))) if len(mix) else 1.0
    return (0.1 * mix / max(float(level), 1e-9)).clip(-1, 1).astype(np.float32)


def _add(mix: NDArray[np.float64], sound: _Sound, sample_rate_hz: int) -> None:
    begin = max(0, round(sound.begin_s * sample_rate_hz))
    length = min(round(sound.length_s * sample_rate_hz), len(mix) - begin)
    if length <= 0:
        return
    time_s = np.arange(length) / sample_rate_hz
    envelope = (1 - np.exp(-time_s / sound.attack_s)) * np.exp(-time_s / sound.decay_s)
    envelope *= np.minimum(1, (length / sample_rate_hz - time_s) / 0.01)  # no click where it is cut off
    partials = zip(sound.frequencies_hz, sound.gains, sound.phases, strict=True)
    wave = np.zeros(length)
    for frequency_hz, gain, phase in partials:
        if frequency_hz < 0.45 * sample_rate_hz:
            wave += gain * np.sin(2 * np.pi * frequency_hz * time_s + phase)
    mix[begin : begin + length] += envelope * wave


def _sounds(rng: np.random.Generator, duration_s: float) -> Iterator[_Sound]:
    scale = _SCALES[rng.integers(len(_SCALES))]
    root = int(rng.integers(40, 52))
    beat_s = 60.0 / rng.uniform(72, 168)
    beats = int(rng.choice((3, 4, 4, 4, 5)))
    chords, bass, lead = (_instrument(rng, level) for level in (0.35, 0.6, 0.8))
    kit = _drum_kit(rng)
    beat_pattern = rng.random((len(kit), 2 * beats)) < np.array([[0.35], [0.25], [0.6]])
    sections = rng.integers(0, len(scale), (3, 4))
    bar = 0
    while bar * beats * beat_s < duration_s:
        section = sections[rng.integers(3)]
        for degree in section:
            begin_s = bar * beats * beat_s
            yield from _harmony(rng, scale, root, int(degree), begin_s, beats * beat_s, chords, bass)
            yield from _melody(rng, scale, root + 24, begin_s, beats, beat_s, lead)
            for drum, hits in zip(kit, beat_pattern, strict=True):
                for half_beat in np.flatnonzero(hits):
                    hit_s = begin_s + half_beat * beat_s / 2 + rng.normal(0, 0.006)
                    yield _struck(drum, hit_s, rng.uniform(0.6, 1.0))
            bar += 1


def _instrument(rng: np.random.Generator, level: float) -> _Instrument:
    count = int(rng.integers(3, 10))
    gains = rng.uniform(0.2, 1.0, count) / np.arange(1, count + 1) ** rng.uniform(0.5, 1.6)
    return _Instrument(
        tuple((gains / gains.sum()).tolist()),
        float(rng.choice((0.0, 0.0, 0.0004, 0.001))),
        float(rng.uniform(0.002, 0.06)),
        float(rng.uniform(0.15, 1.5)),
        level,
    )


def _drum_kit(rng: np.random.Generator) -> tuple[_Sound, ...]:
    """Return a bass drum, a snare and a cymbal: thuds and clouds of inharmonic partials."""

    def cloud(low_hz: float, high_hz: float, count: int, decay_s: float, level: float) -> _Sound:
        return _Sound(
            0.0,
            4 * decay_s,
            tuple(rng.uniform(low_hz, high_hz, count).tolist()),
            tuple(rng.uniform(0, level / np.sqrt(count), count).tolist()),
            tuple(rng.uniform(0, 6.28, count).tolist()),
            0.001,
            decay_s,
        )

    return (
        cloud(45, 160, 4, rng.uniform(0.05, 0.12), 1.6),
        cloud(180, 3_500, 40, rng.uniform(0.03, 0.09), 0.9),
        cloud(2_500, 12_000, 40, rng.uniform(0.02, 0.2), 0.5),
    )


def _struck(drum: _Sound, begin_s: float, velocity: float) -> _Sound:
    gains = tuple(velocity * gain for gain in drum.gains)
    return _Sound(begin_s, drum.length_s, drum.frequencies_hz, gains, drum.phases, drum.attack_s, drum.decay_s)


def _pitch(scale: tuple[int, ...], root: int, degree: int) -> int:
    octave, step = divmod(degree, len(scale))
    return root + 12 * octave + scale[step]


def _harmony(
    rng: np.random.Generator,
    scale: tuple[int, ...],
    root: int,
    degree: int,
    begin_s: float,
    bar_s: float,
    chords: _Instrument,
    bass: _Instrument,
) -> Iterator[_Sound]:
    strokes = int(rng.choice((1, 2, 4)))
    for stroke in range(strokes):
        stroke_s = begin_s + stroke * bar_s / strokes
        for third in (0, 2, 4):
            at_s = stroke_s + abs(rng.normal(0, 0.008))
            pitch = _pitch(scale, root + 12, degree + third)
            yield chords.note(at_s, 1.2 * bar_s / strokes, pitch, rng.uniform(0.5, 1.0))
        yield bass.note(stroke_s, bar_s / strokes, _pitch(scale, root, degree), rng.uniform(0.7, 1.0))


def _melody(
    rng: np.random.Generator,
    scale: tuple[int, ...],
    root: int,
    begin_s: float,
    beats: int,
    beat_s: float,
    lead: _Instrument,
) -> Iterator[_Sound]:
    degree = int(rng.integers(-3, 8))
    at = 0.0
    while at < beats:
        length = float(rng.choice((0.25, 0.5, 0.5, 1.0, 1.5)))
        if rng.random() < 0.85:
            at_s = begin_s + at * beat_s + rng.normal(0, 0.01)
            yield lead.note(at_s, 1.1 * length * beat_s, _pitch(scale, root, degree), rng.uniform(0.5, 1.0))
        degree = int(np.clip(degree + rng.integers(-3, 4), -5, 11))
        at += length
