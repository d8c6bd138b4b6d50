"""Is every clip degraded as its condition says, and the same way every time?"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from bench.degrade import CONDITIONS, LEAD_S, Music, equaliser
from bench.noises import SAMPLE_RATE_HZ, crowd, pink, room_response, white
from tunescout.clip import mix
from tunescout.synthesis import tune

LENGTH_S = 3
CROWD = crowd(LENGTH_S + 1.0, np.random.default_rng(5))
TUNE = tune(1, LEAD_S + LENGTH_S + 1.0, SAMPLE_RATE_HZ)


def music(seed: int) -> Music:
    return Music(TUNE, LENGTH_S * SAMPLE_RATE_HZ, CROWD, np.random.default_rng(seed))


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_degraded_clip_keeps_its_length_stays_finite_and_within_full_scale(name: str) -> None:
    condition = CONDITIONS[name]
    clip = condition.apply(music(1))
    assert len(clip) == LENGTH_S * condition.sample_rate_hz
    assert np.isfinite(clip).all()
    assert 0.001 < np.max(np.abs(clip)) <= 1.0
    assert np.max(np.abs(clip[-condition.sample_rate_hz // 10 :])) > 0  # nothing is missing at its end


@pytest.mark.parametrize("name", ["white+0dB", "pink+0dB", "crowd+0dB", "phone+0dB", "opus_16k", "tempo-5%"])
def test_the_same_generator_makes_the_same_clip(name: str) -> None:
    np.testing.assert_array_equal(CONDITIONS[name].apply(music(1)), CONDITIONS[name].apply(music(1)))


@pytest.mark.parametrize("name", ["white+0dB", "pink+0dB", "crowd+0dB", "phone+0dB"])
def test_another_generator_makes_other_noise(name: str) -> None:
    assert not np.array_equal(CONDITIONS[name].apply(music(1)), CONDITIONS[name].apply(music(2)))


@pytest.mark.parametrize("snr_db", [15.0, 0.0, -5.0])
@pytest.mark.parametrize("noise", [white, pink], ids=["white", "pink"])
def test_noise_is_exactly_as_far_below_the_music_as_told(noise: object, snr_db: float) -> None:
    assert callable(noise)
    clip, added = music(1).clip, noise(LENGTH_S * SAMPLE_RATE_HZ, np.random.default_rng(3))
    mixture = mix(clip, added, snr_db).astype(np.float64)
    # A mixture of two known signals: least squares tells how much of each is in it.
    gains = np.linalg.lstsq(np.stack([clip, added], axis=1).astype(np.float64), mixture, rcond=None)[0]
    measured_db = 10 * np.log10(power(gains[0] * clip) / power(gains[1] * added))
    assert measured_db == pytest.approx(snr_db, abs=1e-3)


def test_pink_noise_has_the_same_power_in_every_octave() -> None:
    powers = np.abs(np.fft.rfft(pink(20 * SAMPLE_RATE_HZ, np.random.default_rng(1)))) ** 2
    octaves = [powers[20 * low : 20 * 2 * low].sum() for low in (100, 400, 1_600, 6_400)]
    np.testing.assert_allclose(octaves / np.mean(octaves), 1.0, atol=0.1)


def test_a_crowd_speaks_where_voices_are() -> None:
    powers = np.abs(np.fft.rfft(CROWD)) ** 2
    frequencies_hz = np.fft.rfftfreq(len(CROWD), 1 / SAMPLE_RATE_HZ)
    assert powers[(frequencies_hz > 200) & (frequencies_hz < 3_500)].sum() > 0.8 * powers.sum()


def test_a_room_falls_by_60_db_in_its_reverberation_time() -> None:
    response = room_response(np.random.default_rng(1), reverberation_s=0.5, direct_to_reverberant_db=-3.0)
    assert np.sum(response**2) == pytest.approx(1.0, abs=1e-4)
    # Schroeder's backward integration, read between -5 and -25 dB of the tail.
    left_db = 10 * np.log10(np.cumsum(response[:1:-1].astype(np.float64) ** 2)[::-1])
    left_db -= left_db[0]
    fall_s = (np.argmax(left_db < -25) - np.argmax(left_db < -5)) / SAMPLE_RATE_HZ
    assert 3 * fall_s == pytest.approx(0.5, rel=0.15)


@pytest.mark.parametrize(("band", "frequency_hz"), [("bass", 40.0), ("middle", 1_000.0), ("treble", 15_000.0)])
@pytest.mark.parametrize("gain_db", [10.0, -10.0])
def test_an_equaliser_turns_its_own_band_alone(band: str, frequency_hz: float, gain_db: float) -> None:
    probes_hz = {"bass": 40.0, "middle": 1_000.0, "treble": 15_000.0}
    _, response = signal.freqz_sos(equaliser(band, gain_db), list(probes_hz.values()), fs=SAMPLE_RATE_HZ)
    for (probe, _), level in zip(probes_hz.items(), 20 * np.log10(np.abs(response)), strict=True):
        assert level == pytest.approx(gain_db if probe == band else 0.0, abs=0.6)
    assert probes_hz[band] == frequency_hz


@pytest.mark.parametrize(
    ("name", "pitch", "tempo"),
    [("speed+4%", 1.04, 1.04), ("tempo+5%", 1.0, 1.05), ("pitch+100cents", 2 ** (1 / 12), 1.0), ("48kHz", 1.0, 1.0)],
)
def test_pitch_and_tempo_change_as_the_condition_says(name: str, pitch: float, tempo: float) -> None:
    condition = CONDITIONS[name]
    time_s = np.arange(5 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    beats = np.sin(2 * np.pi * 600 * time_s) * (0.5 + 0.5 * np.cos(2 * np.pi * 4 * time_s))
    clip = condition.apply(Music((0.5 * beats).astype(np.float32), 3 * SAMPLE_RATE_HZ, CROWD, np.random.default_rng(1)))
    assert strongest_hz(clip, condition.sample_rate_hz, 100.0) == pytest.approx(600 * pitch, rel=0.003)
    loudness = signal.decimate(np.abs(clip), 10)
    assert strongest_hz(loudness - loudness.mean(), condition.sample_rate_hz / 10, 1.0) == pytest.approx(
        4 * tempo, rel=0.02
    )


def power(samples: NDArray[np.floating]) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


def strongest_hz(samples: NDArray[np.floating], sample_rate_hz: float, above_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 16 * len(samples)))
    frequencies_hz = np.fft.rfftfreq(16 * len(samples), 1 / sample_rate_hz)
    spectrum[frequencies_hz < above_hz] = 0
    return float(frequencies_hz[np.argmax(spectrum)])
