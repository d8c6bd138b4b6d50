"""Is loudness measured as others measure it, however the song comes in?"""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import numpy as np
import pyloudnorm
import pytest
from av.audio.frame import AudioFrame
from av.filter import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.streaming.loudness import Loudness, MeasuredLoudness


def sine(level_dbfs: float, duration_s: float, *, rate_hz: int = 16_000) -> NDArray[np.float32]:
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    mono = 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * 1000 * time_s)
    stereo: NDArray[np.float32] = np.repeat(mono[:, np.newaxis], 2, axis=1).astype(np.float32)
    return stereo


def music(duration_s: float, rate_hz: int, channels: int) -> NDArray[np.float32]:
    """Return coloured noise that swells and fades."""
    generator = np.random.default_rng(7)
    noise = np.cumsum(generator.normal(size=(round(duration_s * rate_hz), channels)), axis=0)
    noise -= np.linspace(noise[0], noise[-1], len(noise))
    swell = 0.05 + np.abs(np.sin(np.arange(len(noise)) / rate_hz))[:, np.newaxis]
    scaled: NDArray[np.float32] = (0.5 * noise / np.abs(noise).max() * swell).astype(np.float32)
    return scaled


def measured(samples: NDArray[np.float32], rate_hz: int, blocks: int = 1) -> MeasuredLoudness:
    loudness = Loudness(rate_hz, samples.shape[1])
    for block in np.array_split(samples, blocks):
        loudness.feed(block)
    return loudness.result()


@pytest.mark.parametrize(
    ("parts", "lufs"),
    [
        ([(-23.0, 20)], -23.0),
        ([(-33.0, 20)], -33.0),
        ([(-36.0, 10), (-23.0, 60), (-36.0, 10)], -23.0),
        ([(-72.0, 10), (-36.0, 10), (-23.0, 60), (-36.0, 10), (-72.0, 10)], -23.0),
        ([(-26.0, 20), (-20.0, 20.1), (-26.0, 20)], -23.0),
    ],
)
def test_integrated_loudness_of_the_signals_of_tech_3341(parts: list[tuple[float, float]], lufs: float) -> None:
    signal = np.concatenate([sine(level, duration_s) for level, duration_s in parts])

    assert measured(signal, 16_000).integrated_lufs == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize(
    ("levels_dbfs", "range_lu"),
    [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15)],
)
def test_loudness_range_of_the_signals_of_tech_3342(levels_dbfs: tuple[int, ...], range_lu: int) -> None:
    signal = np.concatenate([sine(level, 20) for level in levels_dbfs])

    assert measured(signal, 16_000).range_lu == pytest.approx(range_lu, abs=1)


@pytest.mark.parametrize(("phase", "factor"), [(45.0, 4), (60.0, 6), (67.5, 8)])
def test_true_peak_lies_between_the_samples(phase: float, factor: int) -> None:
    cycles = np.sin(2 * np.pi * np.arange(48_000) / factor + np.deg2rad(phase))
    faded_in = 0.5 * cycles * np.minimum(1, np.arange(48_000) / 4800)
    signal = np.repeat(faded_in[:, np.newaxis], 2, axis=1).astype(np.float32)

    assert measured(signal, 48_000).true_peak_dbtp == pytest.approx(-6.0, abs=0.1)


@pytest.mark.parametrize(("rate_hz", "channels"), [(44_100, 2), (48_000, 1), (22_050, 2), (96_000, 2)])
def test_integrated_loudness_agrees_with_pyloudnorm(rate_hz: int, channels: int) -> None:
    samples = music(10, rate_hz, channels)

    expected = pyloudnorm.Meter(rate_hz).integrated_loudness(samples.astype(np.float64))

    assert measured(samples, rate_hz).integrated_lufs == pytest.approx(expected, abs=0.1)


def test_all_three_figures_agree_with_ffmpegs() -> None:
    samples = music(12, 48_000, 2)
    graph = Graph()
    source = graph.add_abuffer(sample_rate=48_000, format="flt", layout="stereo", time_base=Fraction(1, 48_000))
    graph.link_nodes(source, graph.add("ebur128", "metadata=1:peak=true"), graph.add("abuffersink")).configure()
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="stereo")
    frame.sample_rate = 48_000
    graph.push(frame)
    told: dict[str, str] = {}
    with suppress(BlockingIOError):
        while True:
            told = graph.pull().metadata

    ours = measured(samples, 48_000)

    assert ours.integrated_lufs == pytest.approx(float(told["lavfi.r128.I"]), abs=0.1)
    assert ours.range_lu == pytest.approx(float(told["lavfi.r128.LRA"]), abs=0.2)
    assert ours.true_peak_dbtp == pytest.approx(20 * np.log10(float(told["lavfi.r128.true_peak"])), abs=0.1)


@settings(max_examples=8)
@given(blocks=st.integers(2, 400))
def test_loudness_does_not_depend_on_how_a_song_is_cut_into_blocks(blocks: int) -> None:
    samples = music(4, 44_100, 2)

    whole, cut = measured(samples, 44_100), measured(samples, 44_100, blocks)

    assert cut.integrated_lufs == pytest.approx(whole.integrated_lufs, abs=1e-9)
    assert cut.range_lu == pytest.approx(whole.range_lu, abs=1e-9)
    assert cut.true_peak_dbtp == pytest.approx(whole.true_peak_dbtp, abs=1e-5)


@pytest.mark.parametrize("frames", [0, 1, 48_000])
def test_silence_has_no_loudness_and_gets_no_gain(frames: int) -> None:
    silence = measured(np.zeros((frames, 2), np.float32), 48_000)

    assert silence == MeasuredLoudness(None, 0.0, None)
    assert silence.gain_db(-18.0) == 0.0


def test_gain_reaches_the_target_unless_the_peak_would_pass_the_ceiling() -> None:
    assert MeasuredLoudness(-12.0, 5.0, 0.5).gain_db(-18.0) == pytest.approx(-6.0)
    assert MeasuredLoudness(-28.0, 5.0, -14.0).gain_db(-18.0) == pytest.approx(10.0)
    assert MeasuredLoudness(-28.0, 5.0, -4.0).gain_db(-18.0) == pytest.approx(3.0)
