"""How are more songs made than there are, so that the index is as full of chance as real music makes it?

A made-up song is a medley of passages of one real song, in another key and at another tempo. So its peaks lie to each
other as those of music do, some hashes are common and most are rare, and a song uses some of them again and again. Its
landmarks are formed by the engine itself, so what the index finds by chance is in the peaks by chance too. Whether a
real song meets as much by chance as among other real ones is told by `bench.scale`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from services.fingerprint.parameters import HIGHEST_BIN, LOWEST_BIN
from services.matcher.evidence import frequencies_of, indexed_peaks
from services.matcher.landmarks import song_landmarks
from services.matcher.segment import FRAME_BITS, Columns
from shared.fingerprint import ALGORITHM, FRAME_RATE_HZ, STEPS_PER_BIN, Fingerprint

PASSAGE_FRAMES = 1_000
"""Frames of a passage (16 s)."""

KEYS = 3
"""Semitones that a key is higher or lower at most. They are whole ones, for music is tuned to the same notes; farther
away, much would leave the band that is listened to."""

TEMPOS = 1.15
"""Most that a tempo is faster or slower."""

SONGS_AT_ONCE = 256
"""Songs that are made at a time: they take some 300 MB meanwhile."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The peaks of real songs, one song behind the other.

    Attributes
    ----------
    times : int64 [shape=(peaks,)]
        Frame of each peak, and above 32 bits the number of its song.
    peaks : uint16 [shape=(peaks,)]
        As `indexed_peaks` returns them.
    levels : uint8 [shape=(peaks,)]
        Level of each peak.
    lengths : int64 [shape=(songs,)]
        Frames of each song.
    """

    times: NDArray[np.int64]
    peaks: NDArray[np.uint16]
    levels: NDArray[np.uint8]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, songs: Sequence[Fingerprint]) -> Material:
        """Return what some songs are made of."""
        times = [song.frames.astype(np.int64) + (number << 32) for number, song in enumerate(songs)]
        return cls(
            np.concatenate(times),
            np.concatenate([indexed_peaks(song) for song in songs]),
            np.concatenate([song.levels for song in songs]),
            np.array([song.duration_s * FRAME_RATE_HZ for song in songs], np.int64),
        )


def name(number: int) -> str:
    """Return the id of a made-up song, as long as ids of songs are."""
    return f"made-up-{number:018d}"


def made_up(material: Material, numbers: range, song_s: float, rng: Generator) -> Columns:
    """Return what some made-up songs bring into a segment, each one part of it.

    Parameters
    ----------
    material : Material
        Real songs.
    numbers : range
        The songs, which name them.
    song_s : float
        Length of each, in seconds, up to 17 minutes.
    rng : Generator
        Decides over everything else.
    """
    length = int(song_s * FRAME_RATE_HZ)
    times, peaks, levels = _medleys(material, len(numbers), length, rng)
    # All songs stand on one line of time, far apart, so that the time of a landmark is its posting.
    landmarks = song_landmarks(Fingerprint(ALGORITHM, song_s, times, frequencies_of(peaks), levels))
    edges = np.searchsorted(times, np.arange(len(numbers) + 1) << FRAME_BITS)
    same = np.full(len(numbers), length, np.uint32)
    return Columns(
        [(name(number), 0) for number in numbers],
        np.full(len(numbers), song_s, np.uint32),
        np.arange(len(numbers), dtype=np.uint32),
        np.zeros_like(same),
        same,
        landmarks.hashes,
        landmarks.anchors,
        np.diff(edges).astype(np.uint32),
        times.astype(np.uint16),
        peaks,
    )


def _medleys(
    material: Material, songs: int, length: int, rng: Generator
) -> tuple[NDArray[np.uint32], NDArray[np.uint16], NDArray[np.uint8]]:
    """Return times, ``part << 16 | frame``, and what the index and landmarks need of the peaks of some songs."""
    passages = -(-length // PASSAGE_FRAMES)
    shares = material.lengths / material.lengths.sum()
    source = np.repeat(rng.choice(len(shares), songs, p=shares), passages)
    key = np.repeat(2 ** (rng.integers(-KEYS, KEYS, songs, endpoint=True) / 12), passages)
    tempo = np.repeat(TEMPOS ** rng.uniform(-1, 1, songs), passages)
    taken = PASSAGE_FRAMES * tempo
    room = np.maximum(material.lengths[source] - taken, 1)
    along = (np.tile(np.arange(passages), songs) + rng.random(len(source))) / passages
    begins = (source << 32) + (along * room).astype(int)
    firsts = np.searchsorted(material.times, begins)
    counts = np.searchsorted(material.times, begins + taken.astype(int)) - firsts
    from_peak = np.arange(counts.sum()) + np.repeat(firsts - np.cumsum(counts) + counts, counts)
    passage = np.repeat(np.arange(len(source)), counts)
    within = (material.times[from_peak] - begins[passage]) / tempo[passage]
    frames = passage % passages * PASSAGE_FRAMES + np.minimum(within, PASSAGE_FRAMES - 1).astype(int)
    column = material.peaks[from_peak]
    steps = np.rint(frequencies_of(column) * key[passage]).astype(np.uint16)
    kept = (frames < length) & (steps >= LOWEST_BIN * STEPS_PER_BIN) & (steps <= HIGHEST_BIN * STEPS_PER_BIN)
    times = (passage // passages << FRAME_BITS) + frames
    loudness = column - frequencies_of(column)
    return times[kept].astype(np.uint32), (steps + loudness)[kept], material.levels[from_peak[kept]]
