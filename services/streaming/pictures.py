"""How are a song's outline and an equalizer's response drawn? As SVG that any page can show and style."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.streaming.equalizer import Equalizer, frequencies_hz
from services.streaming.waveform import PAIRS, WaveformPairs

SVG = "image/svg+xml"
_HEIGHT = 256
_RANGE_DB = 24
_CURVE_WIDTH = 600
_LABEL = 'font-family="sans-serif" font-size="11" fill="currentColor"'


def waveform_svg(waveform: WaveformPairs) -> str:
    """Return the outline of a song; it takes the colour of the text around it and fills any frame."""
    path = f'<path fill="currentColor" d="{_outline(waveform, 0)}"/>'
    return _svg(PAIRS, _HEIGHT, path, ' preserveAspectRatio="none"')


def response_svg(equalizer: Equalizer) -> str:
    """Return the response of an equalizer, 20 Hz to 20 kHz and 24 dB up and down, headroom included."""
    return _svg(_CURVE_WIDTH, _HEIGHT, _response(equalizer))


def render_svg(equalizer: Equalizer, before: WaveformPairs, after: WaveformPairs) -> str:
    """Return what a render did: the response, and the outlines before and after it."""
    scale = PAIRS / _CURVE_WIDTH
    top = round(_HEIGHT * scale)
    outlines = "".join(
        f'<path fill="currentColor" opacity="{opacity}" d="{_outline(waveform, y)}"/>'
        f'<text x="12" y="{y + 40}" font-family="sans-serif" font-size="33" fill="currentColor">{name}</text>'
        for name, waveform, y, opacity in (("before", before, top, 0.5), ("after", after, top + _HEIGHT, 0.9))
    )
    return _svg(PAIRS, top + 2 * _HEIGHT, f'<g transform="scale({scale:g})">{_response(equalizer)}</g>{outlines}')


def _svg(width: int, height: int, content: str, attributes: str = "") -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"{attributes}>{content}</svg>\n'


def _outline(waveform: WaveformPairs, top: int) -> str:
    """Return the path along all maxima and back along all minima; silence is a line of one unit."""
    middle, scale = top + _HEIGHT / 2, (_HEIGHT / 2 - 1) / 127
    upper = middle - 0.5 - scale * waveform.maxima
    lower = middle + 0.5 - scale * waveform.minima
    columns = np.arange(PAIRS)
    return f"M{_points(columns, upper)}L{_points(columns[::-1], lower[::-1])}Z"


def _response(equalizer: Equalizer) -> str:
    return (
        "".join(
            f'<path stroke="currentColor" stroke-opacity="0.2" d="M0 {_y(level_db):g}H{_CURVE_WIDTH}"/>'
            f'<text x="2" y="{_y(level_db) - 3:g}" {_LABEL}>{label}</text>'
            for level_db, label in ((12, "+12 dB"), (0, "0 dB"), (-12, "-12 dB"))
        )
        + "".join(
            f'<path stroke="currentColor" stroke-opacity="0.2" d="M{_x(hz):.1f} 0V{_HEIGHT}"/>'
            f'<text x="{_x(hz) + 3:.1f}" y="{_HEIGHT - 4}" {_LABEL}>{label}</text>'
            for hz, label in ((100, "100 Hz"), (1_000, "1 kHz"), (10_000, "10 kHz"))
        )
        + _curve(equalizer)
    )


def _curve(equalizer: Equalizer) -> str:
    frequencies = frequencies_hz()
    columns = np.linspace(0, _CURVE_WIDTH, len(frequencies))
    levels = np.clip(equalizer.response_db(frequencies), -_RANGE_DB, _RANGE_DB)
    points = _points(columns, _HEIGHT / 2 * (1 - levels / _RANGE_DB))
    return f'<path fill="none" stroke="currentColor" stroke-width="2" d="M{points}"/>'


def _points(x: NDArray[np.number], y: NDArray[np.floating]) -> str:
    return " ".join(f"{column:g} {row:.1f}" for column, row in zip(x.round(1), y, strict=True))


def _x(frequency_hz: float) -> float:
    return float(_CURVE_WIDTH * np.log10(frequency_hz / 20) / 3)


def _y(level_db: float) -> float:
    return _HEIGHT / 2 * (1 - level_db / _RANGE_DB)
