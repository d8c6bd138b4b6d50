"""Do pictures show the numbers that they are made of?"""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from services.streaming.equalizer import EqualizerSettings, equalizer, frequencies_hz
from services.streaming.pictures import render_svg, response_svg, waveform_svg
from services.streaming.waveform import PAIRS, WaveformPairs

SETTINGS = equalizer(EqualizerSettings(bass_db=6, treble_db=-4, high_pass_hz=50), 44_100)
OUTLINE = WaveformPairs(
    np.linspace(-127, 0, PAIRS).astype(np.int8), np.abs(127 * np.sin(np.arange(PAIRS))).astype(np.int8)
)


def points(path: str) -> NDArray[np.float64]:
    numbers = re.findall(r"-?[\d.]+", path)
    return np.array(numbers, np.float64).reshape(-1, 2)


def paths(svg: str) -> list[str]:
    return [one.attrib["d"] for one in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path")]


def test_curve_is_the_response() -> None:
    drawn = points(paths(response_svg(SETTINGS))[-1])

    level_db = 24 * (1 - drawn[:, 1] / 128)
    assert level_db == pytest.approx(np.maximum(SETTINGS.response_db(frequencies_hz()), -24), abs=0.02)
    assert drawn[:, 0] == pytest.approx(600 * np.log10(frequencies_hz() / 20) / 3, abs=0.06)


def test_outline_is_the_waveform() -> None:
    drawn = points(paths(waveform_svg(OUTLINE))[0])

    assert len(drawn) == 2 * PAIRS
    upper, lower = drawn[:PAIRS, 1], drawn[PAIRS:, 1][::-1]
    assert 128 - upper == pytest.approx(OUTLINE.maxima + 0.5, abs=0.06)
    assert 128 - lower == pytest.approx(OUTLINE.minima - 0.5, abs=0.06)


def test_render_is_shown_with_its_response_before_and_after() -> None:
    shown = paths(render_svg(SETTINGS, OUTLINE, OUTLINE))

    assert shown[:-2] == paths(response_svg(SETTINGS))
    before, after = (points(path) for path in shown[-2:])
    assert after - before == pytest.approx(np.tile([0.0, 256.0], (2 * PAIRS, 1)), abs=0.11)
