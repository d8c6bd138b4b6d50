"""How do tests come by fingerprints of every shape?"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from shared.fingerprint import ALGORITHM, FRAME_RATE_HZ, Fingerprint


def fingerprint_of(peaks: list[tuple[int, int]]) -> Fingerprint:
    peaks = sorted(peaks)
    frames = np.array([frame for frame, _ in peaks], np.uint32)
    frequencies = np.array([frequency for _, frequency in peaks], np.uint16)
    duration_s = (int(frames[-1]) + 8) / FRAME_RATE_HZ if peaks else 0.0
    return Fingerprint(ALGORITHM, duration_s, frames, frequencies)


def fingerprints(last_frame: int = 300, max_peaks: int = 40) -> st.SearchStrategy[Fingerprint]:
    peak = st.tuples(st.integers(0, last_frame), st.integers(80, 1_997))
    return st.lists(peak, max_size=max_peaks, unique=True).map(fingerprint_of)


def random_fingerprint(seed: int, duration_s: float, peaks_per_s: float = 29.0) -> Fingerprint:
    rng = np.random.default_rng(seed)
    count = int(duration_s * peaks_per_s)
    frames = np.sort(rng.integers(0, int(duration_s * FRAME_RATE_HZ), count)).astype(np.uint32)
    return Fingerprint(ALGORITHM, duration_s, frames, rng.integers(80, 1_997, count).astype(np.uint16))


def excerpt(song: Fingerprint, begin_s: float, duration_s: float) -> Fingerprint:
    begin, end = int(begin_s * FRAME_RATE_HZ), int((begin_s + duration_s) * FRAME_RATE_HZ)
    inside = (song.frames >= begin) & (song.frames < end)
    return Fingerprint(song.algorithm, duration_s, song.frames[inside] - np.uint32(begin), song.frequencies[inside])
