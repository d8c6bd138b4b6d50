"""Does the equalizer do what the formulas say, to every sample, and never distort?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from services.streaming.equalizer import EqualizerSettings, equalized, equalizer, frequencies_hz
from shared.errors import Rejected

GAINS_DB = np.arange(-10, 10.5, 0.5)
RATES_HZ = (44_100, 48_000)


def response_db(set_to: EqualizerSettings, rate_hz: int, frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the response without the headroom."""
    worked_out = equalizer(set_to, rate_hz)
    return worked_out.response_db(frequencies) + worked_out.headroom_db


def run(samples: NDArray[np.float32], rate_hz: int, set_to: EqualizerSettings, blocks: int = 1) -> NDArray[np.float64]:
    worked_out = equalizer(set_to, rate_hz)
    return np.concatenate(list(equalized(np.array_split(samples, blocks), worked_out)))


def stereo(mono: NDArray[np.float64]) -> NDArray[np.float32]:
    both: NDArray[np.float32] = np.repeat(mono[:, np.newaxis], 2, axis=1).astype(np.float32)
    return both


def sine(frequency_hz: float, rate_hz: int, duration_s: float) -> NDArray[np.float64]:
    phases: NDArray[np.float64] = 2 * np.pi * frequency_hz * np.arange(round(duration_s * rate_hz)) / rate_hz
    return np.sin(phases)


def prototype_db(band: str, gain_db: float, rate_hz: int) -> NDArray[np.float64]:
    """Return the cookbook's analogue prototypes H(s) at the frequencies that the bilinear transform maps them to."""
    centre_hz, q = {"bass_db": (100, 0.5**0.5), "mid_db": (1000, 0.7), "treble_db": (8000, 0.5**0.5)}[band]
    s = 1j * np.tan(np.pi * frequencies_hz() / rate_hz) / np.tan(np.pi * centre_hz / rate_hz)
    a = 10 ** (gain_db / 40)
    slope = np.sqrt(a) / q * s
    response = {
        "bass_db": a * (s * s + slope + a) / (a * s * s + slope + 1),
        "mid_db": (s * s + s * a / q + 1) / (s * s + s / (a * q) + 1),
        "treble_db": a * (a * s * s + slope + 1) / (s * s + slope + a),
    }[band]
    decibels: NDArray[np.float64] = 20 * np.log10(np.abs(response))
    return decibels


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("band", ["bass_db", "mid_db", "treble_db"])
def test_each_band_is_the_cookbooks_at_each_gain(band: str, rate_hz: int) -> None:
    for gain_db in GAINS_DB:
        drawn = response_db(EqualizerSettings.model_validate({band: gain_db}), rate_hz, frequencies_hz())

        assert np.abs(drawn - prototype_db(band, float(gain_db), rate_hz)).max() < 1e-6


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("order", [2, 4, 6, 8])
def test_butterworth_filters_have_their_corner_and_slope(order: int, rate_hz: int) -> None:
    low = EqualizerSettings(low_pass_hz=200, low_pass_order=order)
    high = EqualizerSettings(high_pass_hz=2_000, high_pass_order=order)
    band = EqualizerSettings(band_pass_low_hz=300, band_pass_high_hz=3_000, band_pass_order=order)

    for filtered, corners_hz, octave_hz in (
        (low, [200], [1_600, 800]),
        (high, [2_000], [125, 250]),
        (band, [300, 3_000], [20, 40]),
    ):
        at_corner = response_db(filtered, rate_hz, np.array(corners_hz, np.float64))
        far, near = response_db(filtered, rate_hz, np.array(octave_hz, np.float64))
        assert at_corner == pytest.approx(-10 * np.log10(2), abs=1e-6)
        assert near - far == pytest.approx(6.02 * order, rel=0.01)
    for filtered in (low, high):
        passed = response_db(filtered, rate_hz, frequencies_hz())
        assert (np.diff(passed if filtered is high else passed[::-1]) > -1e-9).all()
        assert passed.max() < 1e-9


def test_drawn_response_is_what_happens_to_a_tone() -> None:
    set_to = EqualizerSettings(bass_db=6, mid_db=-4.5, treble_db=2, high_pass_hz=50, low_pass_hz=15_000)
    tones_hz = (60.0, 440.0, 1_000.0, 9_000.0)

    for tone_hz in tones_hz:
        heard = run(stereo(0.1 * sine(tone_hz, 48_000, 2)), 48_000, set_to)[48_000:]
        level_db = 20 * np.log10(np.sqrt(np.mean(heard**2)) / (0.1 / np.sqrt(2)))
        drawn = equalizer(set_to, 48_000).response_db(np.array([tone_hz]))
        assert level_db == pytest.approx(drawn[0], abs=1e-3)


def test_zero_decibels_change_no_bit() -> None:
    samples = np.random.default_rng(1).normal(0, 0.9, (100_000, 2)).astype(np.float32)

    assert (run(samples, 44_100, EqualizerSettings(), blocks=3).astype(np.float32) == samples).all()
    assert equalizer(EqualizerSettings(), 44_100).headroom_db == 0


@settings(max_examples=20)
@given(
    frames=st.integers(1, 300_000),
    blocks=st.integers(2, 60),
    gains=st.tuples(*[st.sampled_from(list(GAINS_DB))] * 3),
    headroom_db=st.sampled_from([None, 0.0]),
)
def test_blocks_give_the_same_samples_as_one_run(
    frames: int, blocks: int, gains: tuple[float, float, float], headroom_db: float | None
) -> None:
    samples = np.random.default_rng(frames).uniform(-1, 1, (frames, 2)).astype(np.float32)
    bass_db, mid_db, treble_db = gains
    set_to = EqualizerSettings(
        bass_db=bass_db, mid_db=mid_db, treble_db=treble_db, high_pass_hz=40, headroom_db=headroom_db
    )
    whole = run(samples, 44_100, set_to)

    cut = run(samples, 44_100, set_to, blocks)

    assert len(whole) == frames
    assert (cut == whole).all()


@pytest.mark.parametrize("headroom_db", [None, 0.0])
@pytest.mark.parametrize("boost", [{"mid_db": 10}, {"bass_db": 10, "high_pass_hz": 80}, {"high_pass_hz": 200}])
def test_nothing_passes_full_scale(boost: dict[str, float], headroom_db: float | None) -> None:
    set_to = EqualizerSettings.model_validate(boost | {"headroom_db": headroom_db})
    generator = np.random.default_rng(5)
    for mono in (
        np.sign(sine(50, 44_100, 1) + 1e-9),
        generator.choice([-1.0, 1.0], 44_100),
        sine(60, 44_100, 1) * (np.arange(44_100) > 22_050),
    ):
        heard = run(stereo(mono), 44_100, set_to)
        assert np.abs(heard).max() <= 1.0


def test_boosted_full_scale_sine_is_announced_and_stays_a_sine() -> None:
    worked_out = equalizer(EqualizerSettings(mid_db=10), 48_000)
    assert worked_out.headroom_db == pytest.approx(10, abs=0.001)
    assert worked_out.gain == pytest.approx(10 ** (-10 / 20), rel=1e-4)

    heard = run(stereo(sine(1_000, 48_000, 2)), 48_000, EqualizerSettings(mid_db=10))[48_000:, 0]

    spectrum = np.abs(np.fft.rfft(heard)) / 24_000
    assert spectrum[1_000] == pytest.approx(1.0, abs=1e-4)
    assert np.delete(spectrum, 1_000).max() < 1e-6


def test_headroom_is_the_highest_boost_unless_somebody_says_otherwise() -> None:
    both = equalizer(EqualizerSettings(bass_db=6, treble_db=9.5), 44_100)
    assert both.response_db(frequencies_hz()).max() == pytest.approx(0, abs=0.01)
    assert equalizer(EqualizerSettings(bass_db=-6, low_pass_hz=9_000), 44_100).headroom_db == pytest.approx(0, abs=0.01)
    assert equalizer(EqualizerSettings(bass_db=6, headroom_db=2), 44_100).headroom_db == 2


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 192_000])
def test_extreme_filters_are_stable(rate_hz: int) -> None:
    impulse = np.zeros((8 * rate_hz, 1), np.float32)
    impulse[0] = 1.0

    low_pass_hz = min(20_000, 0.49 * rate_hz)
    passes = {"high_pass_hz": 20, "high_pass_order": 8, "low_pass_hz": low_pass_hz, "low_pass_order": 8}

    heard = run(impulse, rate_hz, EqualizerSettings.model_validate({"bass_db": 10, "treble_db": 10} | passes))

    assert np.isfinite(heard).all()
    assert np.abs(heard[-rate_hz:]).max() < 1e-9


def test_bands_above_half_the_sample_rate_do_nothing() -> None:
    assert equalizer(EqualizerSettings(treble_db=5, low_pass_hz=6_000), 8_000).is_flat
    band = EqualizerSettings(band_pass_low_hz=300, band_pass_high_hz=6_000)
    assert response_db(band, 8_000, np.array([300.0, 3_900.0])) == pytest.approx([-3.01, 0], abs=0.01)
    with pytest.raises(Rejected, match="4500 Hz"):
        equalizer(EqualizerSettings(high_pass_hz=4_500), 8_000)


@pytest.mark.parametrize(
    "set_to",
    [
        {"bass_db": 10.5},
        {"mid_db": 0.3},
        {"treble_db": float("nan")},
        {"low_pass_hz": 19},
        {"low_pass_hz": 100, "low_pass_order": 3},
        {"high_pass_hz": 100, "high_pass_order": 10},
        {"band_pass_low_hz": 100},
        {"band_pass_low_hz": 500, "band_pass_high_hz": 400},
        {"headroom_db": -1},
        {"base_db": 1},
    ],
)
def test_what_an_equalizer_cannot_be_set_to_is_refused(set_to: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        EqualizerSettings.model_validate(set_to)


def test_orders_of_filters_that_are_off_mean_nothing() -> None:
    assert EqualizerSettings(bass_db=1, low_pass_order=8).meaning() == EqualizerSettings(bass_db=1)
    steep = EqualizerSettings(low_pass_hz=100, low_pass_order=8)
    assert steep.meaning() == steep
