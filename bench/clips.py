"""Which clips are cut, with which truth?

A clip's song, place and noise follow from its name and the seed alone, so that the same seed cuts the same clips,
whatever else is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import chain, groupby
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile
from numpy.random import Generator
from scipy import signal

from bench.degrade import CONDITIONS, LEAD_S, Condition, Music
from bench.noises import SAMPLE_RATE_HZ, Samples
from bench.songs import Song, Split
from shared.audio.decode import decode

SILENCE_DBFS = -50.0
"""Level below which there is nothing to recognise, in dB of full scale."""

SILENCE_DB = -25.0
"""Level below the song's own that counts as a silent place, in dB."""

COARSER = 11
"""How much lower the sample rate is at which a song is compared with itself: 4 kHz."""

SAME_CORRELATION = 0.9
"""Correlation of two passages from which on they are the same sound. Played again by people it stays far below."""

APART_S = 0.1
"""Passages nearer to one another than this are one place, in seconds."""

PLACES = 50
"""Places that are tried before the last is taken as it is."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A question with a known answer.

    Attributes
    ----------
    condition : str
        What is done to it.
    length_s : int
        How long it is, in seconds.
    number : int
        Tells the clips of one condition and length apart.
    song : Song
        What it is cut from.
    is_known : bool
        Whether the library has that song.
    """

    condition: str
    length_s: int
    number: int
    song: Song
    is_known: bool

    @property
    def name(self) -> str:
        """Name of its file."""
        condition = self.condition.replace("%", "pct")  # FFmpeg takes a percent sign for a pattern
        return f"{condition}_{self.length_s}s_{'known' if self.is_known else 'unknown'}{self.number}.flac"


@dataclass(frozen=True, slots=True)
class CutClip:
    """A clip that lies in a file.

    Attributes
    ----------
    clip : Clip
        What it is.
    path : Path
        Its file: FLAC, mono, 16 bits.
    begins_s : tuple of float
        Where in the song it begins, in seconds: the place that it was cut from, then all others where the song repeats
        the very same sound. Each is true.
    """

    clip: Clip
    path: Path
    begins_s: tuple[float, ...]


def generator(seed: int, *what: object) -> Generator:
    """Return a generator of random numbers that follows from the seed and from what it is for."""
    return np.random.default_rng(list(blake2b(repr((seed, *what)).encode(), digest_size=16).digest()))


def plan(
    split: Split, conditions: Sequence[Condition], lengths_s: Sequence[int], known: int, unknown: int, seed: int
) -> list[Clip]:
    """Return the clips to cut: for every condition and length so many of known and of unknown songs.

    The songs take turns in an order of their own for each condition and length.
    """
    clips = []
    for condition in conditions:
        for length_s in (length_s for length_s in lengths_s if length_s in condition.lengths_s):
            for songs, count in ((split.known, known), (split.unknown, unknown)):
                fitting = [song for song in songs if song.duration_s >= _needed_s(condition, length_s) + 1]
                turns = generator(seed, condition.name, length_s, songs is split.known).permutation(len(fitting))
                for number in range(count if fitting else 0):
                    song = fitting[turns[number % len(turns)]]
                    clips.append(Clip(condition.name, length_s, number, song, songs is split.known))
    return clips


def cut(clips: Iterable[Clip], voices: Samples, folder: Path, seed: int, jobs: int) -> Iterator[CutClip]:
    """Cut clips out of their songs, degrade them, and write them to files.

    Parameters
    ----------
    clips : iterable of Clip
        What to cut.
    voices : float32 [shape=(m,)]
        A crowd.
    folder : Path
        Where to write.
    seed : int
        Decides over places, noise and rooms.
    jobs : int
        Processes that cut.
    """
    folder.mkdir(parents=True, exist_ok=True)
    crowd_path = folder / "crowd.npy"
    np.save(crowd_path, voices)
    ordered = sorted(clips, key=lambda clip: clip.song.digest)
    by_song = [(song, list(part)) for song, part in groupby(ordered, key=lambda clip: clip.song)]
    work = partial(_cut_song, folder=folder, crowd_path=crowd_path, seed=seed)
    if jobs == 1:
        yield from chain.from_iterable(map(work, by_song))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from chain.from_iterable(pool.map(work, by_song))


def _cut_song(song_and_clips: tuple[Song, list[Clip]], *, folder: Path, crowd_path: Path, seed: int) -> list[CutClip]:
    song, clips = song_and_clips
    samples = decode(song.path, sample_rate_hz=SAMPLE_RATE_HZ).samples
    voices = np.load(crowd_path, mmap_mode="r")
    coarse = signal.resample_poly(samples, 1, COARSER).astype(np.float32)
    cuts = []
    for clip in clips:
        degraded, begin = degraded_clip(samples, clip, voices, seed)
        path = folder / clip.name
        soundfile.write(path, degraded, CONDITIONS[clip.condition].sample_rate_hz, format="FLAC", subtype="PCM_16")
        length_s = clip.length_s * CONDITIONS[clip.condition].speed
        others_s = repetitions(coarse, begin / SAMPLE_RATE_HZ, length_s) if clip.is_known else ()
        cuts.append(CutClip(clip, path, (begin / SAMPLE_RATE_HZ, *others_s)))
    return cuts


def repetitions(coarse: Samples, begin_s: float, length_s: float) -> tuple[float, ...]:
    """Return the other places of a song with the same sound as one of its passages, to the sample: music made of loops.

    Parameters
    ----------
    coarse : float32 [shape=(n,)]
        The whole song, at `SAMPLE_RATE_HZ` divided by `COARSER`.
    begin_s, length_s : float
        The passage, in seconds.

    Returns
    -------
    tuple of float
        Where they begin, in seconds: all places whose correlation with the passage is at least `SAME_CORRELATION`.
    """
    rate_hz = SAMPLE_RATE_HZ / COARSER
    begin, length = round(begin_s * rate_hz), round(length_s * rate_hz)
    passage = coarse[begin : begin + length].astype(np.float64)
    products = signal.fftconvolve(coarse.astype(np.float64), passage[::-1], "valid")
    energies = np.cumsum(np.concatenate([[0.0], coarse.astype(np.float64) ** 2]))
    energies = energies[len(passage) :] - energies[: len(energies) - len(passage)]
    likeness = products / np.sqrt(np.maximum(energies * np.sum(passage**2), 1e-12))
    apart = round(APART_S * rate_hz)
    places = signal.find_peaks(likeness, height=SAME_CORRELATION, distance=apart)[0]
    return tuple(float(place / rate_hz) for place in places if abs(place - begin) > apart)


def degraded_clip(samples: Samples, clip: Clip, voices: Samples, seed: int) -> tuple[Samples, int]:
    """Return a clip as it reaches us, and the sample of its song at which it begins.

    Parameters
    ----------
    samples : float32 [shape=(n,)]
        The whole song, at `SAMPLE_RATE_HZ`.
    clip : Clip
        What to cut.
    voices : float32 [shape=(m,)]
        A crowd.
    seed : int
        Decides over everything else.
    """
    condition = CONDITIONS[clip.condition]
    rng = generator(seed, clip.song.digest, clip.name)
    needed = math.ceil(_needed_s(condition, clip.length_s) * SAMPLE_RATE_HZ)
    begin = _audible_place(samples, needed, rng)
    lead = round(LEAD_S * SAMPLE_RATE_HZ)
    before = samples[max(0, begin - lead) : begin]
    around = np.concatenate([np.zeros(lead - len(before), np.float32), before, samples[begin : begin + needed]])
    return condition.apply(Music(around, clip.length_s * SAMPLE_RATE_HZ, voices, rng)), begin


def _needed_s(condition: Condition, length_s: int) -> float:
    """Return how much of a song a clip takes, with what a time-stretcher wants to see beyond."""
    return length_s * condition.speed + 0.5


def _audible_place(samples: Samples, needed: int, rng: Generator) -> int:
    """Return a place where music can be heard all through, if there is one."""
    block = SAMPLE_RATE_HZ // 2
    powers = np.mean(samples[: len(samples) // block * block].reshape(-1, block) ** 2, axis=1)
    floor = max(10 ** (SILENCE_DBFS / 10), float(np.mean(powers)) * 10 ** (SILENCE_DB / 10))
    begin = 0
    for _ in range(PLACES):
        begin = int(rng.integers(max(1, len(samples) - needed)))
        if powers[begin // block : (begin + needed) // block + 1].min(initial=np.inf) >= floor:
            break
    return begin
