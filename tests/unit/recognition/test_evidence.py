"""What does a peak that is heard, or missed, prove?"""

from __future__ import annotations

import numpy as np
from hypothesis import given

from services.matcher.evidence import STEPS, align, evidence, frequencies_of, indexed_peaks
from shared.fingerprint import Fingerprint
from tests.unit.recognition.fingerprints import excerpt, fingerprints, random_fingerprint

SONG = random_fingerprint(1, 60.0)
CLIP = excerpt(SONG, 20.0, 10.0)
LENGTH = 625
NEAR_TRUTH = np.array([1_250 - 4], np.int64)


def score(clip: Fingerprint, later: int = 0, higher: int = 0, song: Fingerprint = SONG) -> float:
    heard = evidence(clip.frames.astype(np.int64) + later, clip.frequencies.astype(np.int64) + higher, LENGTH)
    return align(heard, song.frames, indexed_peaks(song), NEAR_TRUTH).score


@given(fingerprints())
def test_frequencies_are_found_again_beside_the_loudness(song: Fingerprint) -> None:
    peaks = indexed_peaks(song)
    assert np.array_equal(frequencies_of(peaks), song.frequencies)
    assert int((peaks // STEPS).max(initial=0)) < 4


def test_the_louder_of_neighbours_are_in_the_louder_quarters() -> None:
    frames = np.zeros(8, np.uint32)
    levels = np.array([50, 80, 60, 90, 10, 20, 30, 40], np.uint8)
    song = Fingerprint(SONG.algorithm, 1.0, frames, np.arange(100, 900, 100, dtype=np.uint16), levels)
    assert (indexed_peaks(song) // STEPS).tolist() == [1, 0, 1, 0, 3, 3, 2, 2]


def test_peaks_prove_less_the_farther_they_lie_beside_those_of_the_song() -> None:
    scores = [score(CLIP, higher=steps) for steps in range(4)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 1.5 * scores[3] > 0
    assert score(CLIP, higher=8) < 0.05 * scores[0]


def test_missing_loud_peaks_proves_more_than_missing_soft_ones() -> None:
    louder, softer = CLIP.levels >= np.median(CLIP.levels), CLIP.levels < np.median(CLIP.levels)
    halves = [
        Fingerprint(CLIP.algorithm, 10.0, CLIP.frames[kept], CLIP.frequencies[kept], CLIP.levels[kept])
        for kept in (louder, softer)
    ]
    kept = [len(half.frames) for half in halves]
    assert score(halves[0]) / kept[0] > score(halves[1]) / kept[1]


def test_frequencies_that_sound_all_the_time_prove_little() -> None:
    frames = np.arange(0, 3_600, 8, dtype=np.uint32)
    drone = Fingerprint(
        SONG.algorithm,
        60.0,
        frames,
        np.where(np.arange(len(frames)) % 2, 800, 1_200).astype(np.uint16),
        np.full(len(frames), 120, np.uint8),
    )
    assert score(excerpt(drone, 20.0, 10.0), song=drone) < 0.25 * score(CLIP) * len(frames) / len(SONG.frames)
