"""How are more songs made than there are, so that the index is as full of chance as real music makes it?

A made-up song is a medley of passages of one real song, at another tempo and in another key. So its peaks lie to each
other as those of music do, some hashes are common and most are rare, and a song uses some of them again and again. Its
landmarks are those of its peaks, so what the index finds by chance is in the peaks by chance too. Whether a real song
meets as much by chance as among other real ones is told by `bench.scale`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.random import Generator
from numpy.typing import NDArray

from services.fingerprint.parameters import HIGHEST_BIN, LOWEST_BIN
from services.matcher.evidence import frequencies_of, indexed_peaks
from services.matcher.landmarks import PITCH_SHIFT, pairs
from services.matcher.parameters import SONG_FAN_OUT, WIDEST_LEAP
from services.matcher.segment import FRAME_BITS, Columns
from shared.fingerprint import ALGORITHM, FRAME_RATE_HZ, STEPS_PER_BIN, Fingerprint

PASSAGE_FRAMES = 1_000
"""Frames of a passage (16 s)."""

KEYS = range(-3, 4)
"""How many semitones higher each medley is heard. They are whole ones, for music is tuned to the same notes; farther
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
    medleys = -(-len(numbers) // len(KEYS))
    times, peaks, levels = _medleys(material, medleys, length, rng)
    # All songs stand on one line of time, far apart, so that the time of a landmark is its posting.
    anchors, targets = pairs(Fingerprint(ALGORITHM, song_s, times, frequencies_of(peaks), levels), SONG_FAN_OUT)
    versions = []
    for turn, key in enumerate(KEYS):
        own = numbers[turn * medleys : (turn + 1) * medleys]
        end = np.searchsorted(times, len(own) << FRAME_BITS)
        some = slice(0, np.searchsorted(anchors, end))
        versions.append(_in_key(key, own, length, times[:end], peaks[:end], anchors[some], targets[some]))
    return Columns.joined(versions)


def _medleys(
    material: Material, songs: int, length: int, rng: Generator
) -> tuple[NDArray[np.uint32], NDArray[np.uint16], NDArray[np.uint8]]:
    """Return times, ``part << 16 | frame``, and what the index and landmarks need of the peaks of some songs."""
    passages = -(-length // PASSAGE_FRAMES)
    shares = material.lengths / material.lengths.sum()
    source = np.repeat(rng.choice(len(shares), songs, p=shares), passages)
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
    kept = frames < length
    times = (passage // passages << FRAME_BITS) + frames
    return times[kept].astype(np.uint32), material.peaks[from_peak[kept]], material.levels[from_peak[kept]]


def _in_key(
    key: int,
    numbers: range,
    length: int,
    times: NDArray[np.uint32],
    peaks: NDArray[np.uint16],
    anchors: NDArray[np.int64],
    targets: NDArray[np.int64],
) -> Columns:
    """Return what some songs bring, so many semitones higher. The same peaks are pairs in every key."""
    steps = np.rint(frequencies_of(peaks) * np.float32(2 ** (key / 12))).astype(np.uint16)
    kept = (steps >= LOWEST_BIN * STEPS_PER_BIN) & (steps <= HIGHEST_BIN * STEPS_PER_BIN)
    hashes, postings = _landmarks(times, steps, kept, anchors, targets)
    edges = np.searchsorted(times[kept], np.arange(len(numbers) + 1) << FRAME_BITS)
    same = np.full(len(numbers), length, np.uint32)
    return Columns(
        [(name(number), 0) for number in numbers],
        np.full(len(numbers), length / FRAME_RATE_HZ, np.uint32),
        np.arange(len(numbers), dtype=np.uint32),
        np.zeros_like(same),
        same,
        hashes,
        postings,
        np.diff(edges).astype(np.uint32),
        times[kept].astype(np.uint16),
        (steps + (peaks - frequencies_of(peaks)))[kept],
    )


@njit(cache=True, nogil=True)
def _landmarks(
    times: NDArray[np.uint32],
    steps: NDArray[np.uint16],
    kept: NDArray[np.bool_],
    anchors: NDArray[np.int64],
    targets: NDArray[np.int64],
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return hashes and times of landmarks, as `services.matcher.landmarks.hashed` does, in a fifth of the time."""
    hashes, postings = np.empty(len(anchors), np.uint32), np.empty(len(anchors), np.uint32)
    size = 0
    for anchor, target in zip(anchors, targets):  # noqa: B905
        bin_of_anchor = (np.int64(steps[anchor]) + STEPS_PER_BIN // 2) // STEPS_PER_BIN
        leap = (np.int64(steps[target]) + STEPS_PER_BIN // 2) // STEPS_PER_BIN - bin_of_anchor
        if kept[anchor] and kept[target] and abs(leap) <= WIDEST_LEAP:
            gap = np.int64(times[target]) - np.int64(times[anchor])
            hashes[size] = (bin_of_anchor & 0x1FF) << PITCH_SHIFT | (leap + WIDEST_LEAP) << 7 | gap
            postings[size] = times[anchor]
            size += 1
    return hashes[:size], postings[:size]
