"""How do tests come by fingerprints of every shape?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.fingerprint import ALGORITHM, FRAME_RATE_HZ, Fingerprint


def fingerprint_of(peaks: list[tuple[int, int]]) -> Fingerprint:
    peaks = sorted(peaks)
    frames = np.array([frame for frame, _ in peaks], np.uint32)
    frequencies = np.array([frequency for _, frequency in peaks], np.uint16)
    duration_s = (int(frames[-1]) + 8) / FRAME_RATE_HZ if peaks else 0.0
    return Fingerprint(ALGORITHM, duration_s, frames, frequencies, np.full(len(frames), 150, np.uint8))


def fingerprints(last_frame: int = 300, max_peaks: int = 40) -> st.SearchStrategy[Fingerprint]:
    peak = st.tuples(st.integers(0, last_frame), st.integers(80, 1_997))
    return st.lists(peak, max_size=max_peaks, unique=True).map(fingerprint_of)


def random_fingerprint(seed: int, duration_s: float, peaks_per_s: float = 29.0) -> Fingerprint:
    rng = np.random.default_rng(seed)
    count = int(duration_s * peaks_per_s)
    frames = np.sort(rng.integers(0, int(duration_s * FRAME_RATE_HZ), count)).astype(np.uint32)
    frequencies, levels = rng.integers(80, 1_997, count, np.uint16), rng.integers(120, 180, count, np.uint8)
    return Fingerprint(ALGORITHM, duration_s, frames, frequencies, levels)


def excerpt(song: Fingerprint, begin_s: float, duration_s: float) -> Fingerprint:
    begin, end = int(begin_s * FRAME_RATE_HZ), int((begin_s + duration_s) * FRAME_RATE_HZ)
    cut = some_of(song, (song.frames >= begin) & (song.frames < end))
    return replace(cut, duration_s=duration_s, frames=cut.frames - np.uint32(begin))


def some_of(fingerprint: Fingerprint, kept: NDArray[np.bool_]) -> Fingerprint:
    return replace(
        fingerprint,
        frames=fingerprint.frames[kept],
        frequencies=fingerprint.frequencies[kept],
        levels=fingerprint.levels[kept],
    )
