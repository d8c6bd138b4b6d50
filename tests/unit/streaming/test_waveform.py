"""Does the outline of a song show its samples, whatever its length?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.streaming.waveform import PAIRS, Waveform, WaveformPairs


def outline(samples: NDArray[np.float64], blocks: int = 1) -> WaveformPairs:
    waveform = Waveform()
    for block in np.array_split(samples.astype(np.float32), blocks):
        waveform.feed(block)
    return waveform.result()


def noise(frames: int) -> NDArray[np.float64]:
    return np.random.default_rng(3).uniform(-1, 1, (frames, 2))


@settings(max_examples=15)
@given(frames=st.integers(1, 600_000), blocks=st.integers(1, 50))
def test_outline_does_not_depend_on_how_a_song_is_cut_into_blocks(frames: int, blocks: int) -> None:
    whole, cut = outline(noise(frames)), outline(noise(frames), blocks)

    assert (cut.minima == whole.minima).all()
    assert (cut.maxima == whole.maxima).all()


@pytest.mark.parametrize("frames", [PAIRS * 7, 5_000_000])
def test_outline_holds_the_extremes_of_each_stretch(frames: int) -> None:
    samples = np.zeros((frames, 2))
    loud = np.arange(0, PAIRS, 3)
    centres = (loud * frames + frames // 2) // PAIRS
    samples[centres, 0] = 0.75
    samples[centres, 1] = -0.5

    pairs = outline(samples, blocks=7)

    assert (np.flatnonzero(pairs.maxima) == loud).all()
    assert (np.flatnonzero(pairs.minima) == loud).all()
    assert set(pairs.maxima[loud]) == {95}
    assert set(pairs.minima[loud]) == {-64}


def test_outline_of_few_samples_repeats_them() -> None:
    pairs = outline(np.array([[1.0], [-1.0], [2.0]]))

    assert list(pairs.maxima[:: PAIRS // 3]) == [127, -127, 127]
    assert (pairs.maxima == pairs.minima).all()


def test_outline_of_nothing_is_flat() -> None:
    pairs = Waveform().result()

    assert (len(pairs.minima), len(pairs.maxima)) == (PAIRS, PAIRS)
    assert not pairs.minima.any()
    assert not pairs.maxima.any()
