"""Is music named that is known, and nothing else?"""

from __future__ import annotations

import io
from functools import cache

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from services.fingerprint.constellation import fingerprint_clip, fingerprint_song
from services.matcher.index import Index
from shared.events import Comparison
from tunescout.synthesis import tune

Samples = NDArray[np.float32]
RATE_HZ = 8_000
KNOWN, UNKNOWN = range(12), range(12, 16)
SONG_S = 40


@cache
def song(seed: int) -> Samples:
    return tune(seed, SONG_S, RATE_HZ)


@pytest.fixture(scope="module")
def index() -> Index:
    index = Index()
    for seed in KNOWN:
        index.add(f"song {seed}", 0, fingerprint_song(song(seed)))
    return index


def with_noise(samples: Samples, colour: str, snr_db: float, seed: int) -> Samples:
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(len(samples)))
    if colour == "pink":
        spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, len(samples))
    level = np.std(samples) * 10 ** (-snr_db / 20) / np.std(noise)
    return (samples + level * noise).astype(np.float32)


def through_mp3(samples: Samples, rate_hz: int, bit_rate_bps: int) -> Samples:
    """Return what a listener hears of a stereo MP3, in mono at 8 kHz."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=rate_hz)
        stream.bit_rate, stream.layout = bit_rate_bps, "stereo"
        frame = av.AudioFrame.from_ndarray(np.stack((samples, samples)), format="fltp", layout="stereo")
        frame.sample_rate = rate_hz
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    file.seek(0)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
    with av.open(file, "r") as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


@pytest.mark.parametrize("colour", ["white", "pink"])
@pytest.mark.parametrize("length_s", [5, 10])
def test_every_noisy_clip_is_named_with_its_place(index: Index, colour: str, length_s: int) -> None:
    for seed in KNOWN:
        for number, begin_s in enumerate(np.arange(0.0047, SONG_S - length_s, 6.1)):
            begin = int(begin_s * RATE_HZ)
            clip = with_noise(song(seed)[begin : begin + length_s * RATE_HZ], colour, 10, 100 * seed + number)
            best = index.search(fingerprint_clip(clip))[0]
            assert (best.song_id, best.is_answer) == (f"song {seed}", True), begin_s
            assert best.offset_ms == pytest.approx(1_000 * begin_s, abs=50)
            assert best.confidence > 0.9


def test_the_place_of_a_clean_clip_is_exact(index: Index) -> None:
    for seed in KNOWN:
        for begin in (1_037, 100_003, 238_111):
            best = index.search(fingerprint_clip(song(seed)[begin : begin + 10 * RATE_HZ]))[0]
            assert best.offset_ms == pytest.approx(begin / 8, abs=30)
            assert best.clip_begin_ms < 1_000
            assert best.clip_end_ms > 8_500
            assert best.song_begin_ms - best.offset_ms == pytest.approx(best.clip_begin_ms, abs=1)


@pytest.mark.parametrize("colour", ["clean", "white", "pink"])
def test_unknown_music_is_not_named(index: Index, colour: str) -> None:
    for seed in UNKNOWN:
        for begin in range(0, 30 * RATE_HZ, 6 * RATE_HZ):
            clip = song(seed)[begin : begin + 10 * RATE_HZ]
            if colour != "clean":
                clip = with_noise(clip, colour, 10, begin)
            assert not any(match.is_answer for match in index.search(fingerprint_clip(clip)))


def stretched(samples: Samples, time: float, pitch: float) -> Samples:
    """Return a recording `time` times as fast and `pitch` times as high, by overlapping grains of it."""
    grain = 2_048
    window = np.hanning(grain + 1)[:-1]
    result = np.zeros(int(len(samples) / time))
    for begin in range(0, len(result) - grain, grain // 4):
        positions = begin * time + pitch * np.arange(grain)
        result[begin : begin + grain] += window * np.interp(positions, np.arange(len(samples)), samples)
    return result.astype(np.float32)


@pytest.mark.parametrize("speed", [0.945, 0.98, 1.013, 1.027, 1.06])
def test_a_clip_at_another_speed_is_named_with_its_place_and_speed(index: Index, speed: float) -> None:
    for seed in KNOWN:
        positions = np.arange(8 * RATE_HZ, (8 + 10 * speed) * RATE_HZ, speed)
        clip = np.interp(positions, np.arange(SONG_S * RATE_HZ), song(seed)).astype(np.float32)
        best = index.search(fingerprint_clip(clip))[0]
        assert (best.song_id, best.is_answer) == (f"song {seed}", True)
        assert best.time_skew == pytest.approx(speed, abs=0.006)
        assert best.pitch_skew == pytest.approx(speed, abs=0.006)
        assert best.offset_ms == pytest.approx(8_000, abs=50)


@pytest.mark.parametrize(("time", "pitch"), [(1.0, 1.059), (1.0, 0.944), (1.05, 1.0), (0.95, 1.0)])
def test_a_clip_at_another_tempo_or_pitch_is_named(index: Index, time: float, pitch: float) -> None:
    for seed in KNOWN:
        clip = stretched(song(seed)[8 * RATE_HZ : 19 * RATE_HZ], time, pitch)
        best = index.search(fingerprint_clip(clip))[0]
        assert (best.song_id, best.is_answer) == (f"song {seed}", True)


def test_noise_is_not_named(index: Index) -> None:
    for seed in range(10):
        noise = np.random.default_rng(seed).normal(0, 0.1, 10 * RATE_HZ).astype(np.float32)
        assert not any(match.is_answer for match in index.search(fingerprint_clip(noise)))


def compared(index: Index, samples: Samples) -> list[Comparison]:
    return index.compare("new", fingerprint_song(samples.astype(np.float32)))


def test_another_encoding_is_the_same_recording(index: Index) -> None:
    for seed in (0, 5, 9):
        encoded = through_mp3(tune(seed, SONG_S, 22_050), 22_050, 64_000)
        (only,) = compared(index, encoded)
        assert (only.song_id, only.relation) == (f"song {seed}", "same_recording")
        assert only.overlap > 0.9
        assert only.offset_ms == pytest.approx(0, abs=60)  # an encoder delays by up to 50 ms


@pytest.mark.parametrize(("begin_s", "end_s", "gain"), [(2, 38, 1.0), (0, 40, 0.02), (3, 40, 3.0)])
def test_a_trimmed_or_louder_copy_is_the_same_recording(index: Index, begin_s: int, end_s: int, gain: float) -> None:
    for seed in KNOWN:
        (only,) = compared(index, np.clip(gain * song(seed)[begin_s * RATE_HZ : end_s * RATE_HZ], -1, 1))
        assert (only.song_id, only.relation) == (f"song {seed}", "same_recording")
        assert only.overlap > 0.9
        assert only.offset_ms == pytest.approx(1_000 * begin_s, abs=20)


def test_a_little_noise_leaves_the_same_recording(index: Index) -> None:
    for seed in KNOWN:
        (only,) = compared(index, with_noise(song(seed), "pink", 20, seed))
        assert (only.song_id, only.relation) == (f"song {seed}", "same_recording")


def test_a_song_is_not_compared_with_itself(index: Index) -> None:
    assert index.compare("song 3", fingerprint_song(song(3))) == []


def test_songs_that_share_a_passage_are_different(index: Index) -> None:
    sampling = song(13).copy()
    sampling[10 * RATE_HZ : 20 * RATE_HZ] = song(3)[12 * RATE_HZ : 22 * RATE_HZ]
    assert compared(index, sampling) == []


def test_a_medley_contains_its_songs_and_they_are_contained_in_it(index: Index) -> None:
    medley = np.concatenate((song(13), song(1), song(2)))
    found = {comparison.song_id: comparison for comparison in compared(index, medley)}
    assert set(found) == {"song 1", "song 2"}
    for name, begin_ms in (("song 1", 40_000), ("song 2", 80_000)):
        assert found[name].relation == "contains"
        assert found[name].overlap == pytest.approx(1 / 3, abs=0.05)
        assert found[name].overlap_known > 0.95
        assert found[name].offset_ms == pytest.approx(-begin_ms, abs=20)

    medleys = Index()
    medleys.add("medley", 0, fingerprint_song(medley))
    (only,) = compared(medleys, song(1))
    assert only.relation == "contained"
    assert only.offset_ms == pytest.approx(40_000, abs=20)
    assert only.overlap > 0.95


def test_songs_under_decision_are_compared_too(index: Index) -> None:
    prints = {f"pending {seed}": fingerprint_song(song(seed)) for seed in (12, 13)}
    found = index.compare("pending 12", fingerprint_song(song(13)[2 * RATE_HZ :]), among=prints)
    assert [(one.song_id, one.relation) for one in found] == [("pending 13", "same_recording")]
