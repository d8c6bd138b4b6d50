"""Which songs are the same recording, and which only sound alike?"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from services.fingerprint.constellation import fingerprint_song
from services.matcher.index import Index
from shared.events import Comparison
from tunescout.synthesis import tune

Samples = NDArray[np.float32]
RATE_HZ = 8_000
KNOWN = (0, 1, 2, 3, 5, 8)
OTHER = 20
SONG_S = 50


@cache
def song(seed: int) -> Samples:
    return tune(seed, SONG_S, RATE_HZ)


@pytest.fixture(scope="module")
def index() -> Index:
    index = Index()
    for seed in KNOWN:
        index.add(f"song {seed}", 0, fingerprint_song(song(seed)))
    return index


def compared(index: Index, samples: NDArray[np.floating]) -> list[Comparison]:
    return index.compare("new", fingerprint_song(samples.astype(np.float32)))


def part(samples: Samples, begin_s: float, end_s: float) -> Samples:
    return samples[int(begin_s * RATE_HZ) : int(end_s * RATE_HZ)]


def at_speed(samples: Samples, speed: float) -> Samples:
    """Return samples played faster, by cutting its spectrum short, or widening it."""
    faster = round(len(samples) / speed)
    spectrum = np.fft.rfft(samples)
    size = faster // 2 + 1
    kept = np.zeros(size, complex)
    kept[: min(size, len(spectrum))] = spectrum[:size]
    return np.fft.irfft(kept, faster).astype(np.float32)


def faded(samples: Samples, in_s: float, out_s: float) -> NDArray[np.float64]:
    time_s = np.arange(len(samples)) / RATE_HZ
    fading: NDArray[np.float64] = np.clip(time_s / in_s, 0, 1) * np.clip((time_s[-1] - time_s) / out_s, 0, 1)
    return fading * samples


def equalised(samples: Samples, low_db: float, high_db: float) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(samples)
    gain_db = np.linspace(low_db, high_db, len(spectrum))
    tilted: NDArray[np.float64] = np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(samples))
    return tilted


@pytest.mark.parametrize("speed", [0.99, 0.994, 0.997, 1.002, 1.003, 1.006, 1.01])
def test_a_copy_at_another_speed_is_the_same_recording_and_its_speed_is_told(index: Index, speed: float) -> None:
    for seed in KNOWN:
        (only,) = compared(index, at_speed(part(song(seed), 2, SONG_S), speed))
        assert (only.song_id, only.relation) == (f"song {seed}", "same_recording")
        assert only.time_skew == pytest.approx(speed, abs=0.0005)
        assert only.offset_ms == pytest.approx(2_000, abs=60)
        assert only.overlap > 0.9


def test_the_speed_of_an_equal_copy_is_one(index: Index) -> None:
    (only,) = compared(index, 0.1 * song(3))
    assert only.time_skew == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("begin_s", "end_s"), [(0, 44), (6, 50), (3, 46)])
def test_a_copy_trimmed_at_the_ends_is_the_same_recording(index: Index, begin_s: float, end_s: float) -> None:
    for seed in KNOWN:
        (only,) = compared(index, part(song(seed), begin_s, end_s))
        assert (only.song_id, only.relation) == (f"song {seed}", "same_recording")
        assert only.offset_ms == pytest.approx(1000 * begin_s, abs=20)


def test_a_faded_or_equalised_copy_is_the_same_recording(index: Index) -> None:
    for seed in KNOWN:
        for copy in (faded(song(seed), 4, 8), equalised(song(seed), 10, -10), equalised(song(seed), -10, 10)):
            (only,) = compared(index, copy)
            assert (only.song_id, only.relation) == (f"song {seed}", "same_recording")


@pytest.mark.parametrize("width", [0.4, 0.7])
def test_the_left_channel_alone_is_the_same_recording(width: float) -> None:
    # Both instruments are in the middle of the stereo picture, one more to the left, the other to the right.
    for first, second in ((0, 1), (2, 3), (5, 8)):
        left = (1 + width) * song(first) + (1 - width) * song(second)
        right = (1 - width) * song(first) + (1 + width) * song(second)
        index = Index()
        index.add("stereo", 0, fingerprint_song(((left + right) / 2).astype(np.float32)))
        (only,) = compared(index, left)
        assert (only.song_id, only.relation) == ("stereo", "same_recording")


@pytest.mark.parametrize("speed", [0.97, 0.98, 1.02, 1.03])
def test_a_song_at_clearly_another_speed_is_no_copy(index: Index, speed: float) -> None:
    for seed in KNOWN[:3]:
        assert compared(index, at_speed(song(seed), speed)) == []


@pytest.mark.parametrize("tempo", [0.97, 1.03])
def test_a_song_at_another_tempo_is_no_copy(index: Index, tempo: float) -> None:
    for seed in KNOWN:
        known = fingerprint_song(song(seed))
        faster = replace(known, frames=np.rint(known.frames / tempo).astype(np.uint32))
        assert index.compare("new", faster) == []


def test_a_song_whose_tempo_wanders_is_no_copy(index: Index) -> None:
    for seed in KNOWN:
        known = fingerprint_song(song(seed))
        wandering = known.frames + 12 * np.sin(known.frames / 200)  # as two performances of the same piece do
        live = replace(known, frames=np.sort(np.rint(wandering + 12)).astype(np.uint32))
        assert "same_recording" not in {one.relation for one in index.compare("new", live)}


def test_an_excerpt_is_contained_and_no_copy(index: Index) -> None:
    for seed in KNOWN:
        (only,) = compared(index, part(song(seed), 15, 35))
        assert (only.song_id, only.relation) == (f"song {seed}", "contained")
        assert only.overlap_known == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("loops", [2, 4])
def test_an_extended_version_is_no_copy(index: Index, loops: int) -> None:
    for seed in KNOWN:
        loop = part(song(seed), 20, 32)
        extended = np.concatenate((part(song(seed), 0, 32), np.tile(loop, loops), part(song(seed), 32, SONG_S)))
        assert "same_recording" not in {one.relation for one in compared(index, extended)}


def test_a_song_with_another_voice_over_it_is_no_copy(index: Index) -> None:
    for seed in KNOWN[:4]:
        assert compared(index, song(seed) + 1.5 * song(OTHER + seed)) == []


def test_a_song_without_its_louder_voice_is_no_copy() -> None:
    for seed in KNOWN[:4]:
        index = Index()
        index.add("with voice", 0, fingerprint_song((song(seed) + 1.5 * song(OTHER + seed)).astype(np.float32)))
        assert compared(index, song(seed)) == []


def test_songs_that_share_a_loop_are_different(index: Index) -> None:
    for seed in KNOWN:
        loop = np.resize(part(song(seed), 10, 18), SONG_S * RATE_HZ)
        sampling = Index()
        sampling.add("first", 0, fingerprint_song((loop + 2 * song(OTHER + 10)).astype(np.float32)))
        sampling.add("source", 0, fingerprint_song(song(seed)))
        assert compared(sampling, loop + 2 * song(OTHER + 11)) == []


def test_different_songs_do_not_agree_at_any_speed(index: Index) -> None:
    for seed in range(OTHER, OTHER + 6):
        assert compared(index, song(seed)) == []
