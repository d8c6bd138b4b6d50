"""What does an equalizer do to a song? The pages have the same formulas, and tests hold both to each other.

Three bands by Robert Bristow-Johnson's cookbook, as the Web Audio specification has them, then Butterworth filters,
then a gain that leaves room for what is boosted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from scipy.signal import butter, freqz_sos, sosfilt

from shared.errors import Rejected

BASS_HZ, MID_HZ, TREBLE_HZ, MID_Q = 100.0, 1_000.0, 8_000.0, 0.7
POINTS = 400
"""How many points a drawn response has, from 20 Hz to 20 kHz."""
CHUNK_FRAMES = 65_536
"""Songs are filtered in chunks of so many frames, wherever the decoder cuts: so the result never depends on that."""

Sections = NDArray[np.float64]
"""Second-order sections as scipy has them: float64 [shape=(n, 6)], b0 b1 b2 a0 a1 a2 with a0 = 1."""


def _in_steps(gain_db: float) -> float:
    if not (2 * gain_db).is_integer():  # Pydantic lets pass what is close to a multiple
        raise ValueError("gains come in steps of 0.5 dB")
    return gain_db


_Gain = Annotated[float, Field(ge=-10, le=10, multiple_of=0.5), AfterValidator(_in_steps)]
_Corner = Annotated[float, Field(ge=20, le=20_000)]
_Order = Annotated[int, Field(ge=2, le=8, multiple_of=2)]


class EqualizerSettings(BaseModel):
    """What an equalizer is set to. Filters without a frequency are off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bass_db: _Gain = Field(0.0, description="Low shelf at 100 Hz, in dB.")
    mid_db: _Gain = Field(0.0, description="Peak at 1 kHz with Q 0.7, in dB.")
    treble_db: _Gain = Field(0.0, description="High shelf at 8 kHz, in dB.")
    high_pass_hz: _Corner | None = Field(None, description="Removes what is lower, in Hz.")
    high_pass_order: _Order = Field(4, description="Its steepness: 6 dB per octave and order.")
    low_pass_hz: _Corner | None = Field(None, description="Removes what is higher, in Hz.")
    low_pass_order: _Order = Field(4, description="Its steepness: 6 dB per octave and order.")
    band_pass_low_hz: _Corner | None = Field(None, description="Lower corner of what a band-pass lets through, in Hz.")
    band_pass_high_hz: _Corner | None = Field(None, description="Its upper corner, in Hz.")
    band_pass_order: _Order = Field(4, description="Its steepness on either side: 6 dB per octave and order.")
    headroom_db: Annotated[float, Field(ge=0, le=40)] | None = Field(
        None, description="How much quieter everything is made, in dB; null takes exactly what the boosts need."
    )

    @model_validator(mode="after")
    def _band_is_one(self) -> Self:
        low, high = self.band_pass_low_hz, self.band_pass_high_hz
        if (low is None) != (high is None):
            raise ValueError("a band-pass needs both band_pass_low_hz and band_pass_high_hz")
        if low is not None and high is not None and low >= high:
            raise ValueError("band_pass_low_hz must be below band_pass_high_hz")
        return self

    def meaning(self) -> EqualizerSettings:
        """Return the same settings without the orders of filters that are off: equal meanings are equal."""
        off = {name for name, is_on in self._filters().items() if not is_on}
        return EqualizerSettings(**self.model_dump(exclude={f"{name}_order" for name in off}))

    def _filters(self) -> dict[str, bool]:
        return {
            "high_pass": self.high_pass_hz is not None,
            "low_pass": self.low_pass_hz is not None,
            "band_pass": self.band_pass_low_hz is not None,
        }


def _only_numbers(given: object) -> object:
    # In an address all values are text, so the settings themselves take text.
    if isinstance(given, dict) and any(isinstance(value, str | bool) for value in given.values()):
        raise ValueError("settings are numbers")
    return given


SettingsBody = Annotated[EqualizerSettings, BeforeValidator(_only_numbers)]
"""Settings as they come in JSON."""


@dataclass(frozen=True, slots=True, eq=False)
class Equalizer:
    """Settings, worked out for one sample rate.

    Attributes
    ----------
    sample_rate_hz : int
        The rate, in Hz.
    sections : float64 [shape=(n, 6)]
        Second-order sections to be run one after the other; none where everything is 0 dB.
    headroom_db : float
        How much quieter everything is made afterwards, in dB.
    """

    sample_rate_hz: int
    sections: Sections
    headroom_db: float

    @property
    def gain(self) -> float:
        """The factor that `headroom_db` means."""
        return float(10 ** (-self.headroom_db / 20))

    @property
    def is_flat(self) -> bool:
        """Whether samples pass as they are."""
        return not len(self.sections) and self.headroom_db == 0

    def response_db(self, frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what happens to each frequency, in dB, headroom included; above half of the sample rate as there."""
        return _response_db(self.sections, self.sample_rate_hz, frequencies_hz) - self.headroom_db


def equalizer(settings: EqualizerSettings, sample_rate_hz: int) -> Equalizer:
    """Work settings out for a sample rate.

    A band or a low-pass above half of the sample rate has nothing to do there and is left out.

    Raises
    ------
    Rejected
        A high-pass or a band-pass would leave nothing of a song of this rate (``nothing_left``).
    """
    sections = np.array([*_bands(settings, sample_rate_hz), *_butterworth(settings, sample_rate_hz)]).reshape(-1, 6)
    headroom_db = settings.headroom_db
    if headroom_db is None:
        grid = np.geomspace(1.0, sample_rate_hz / 2, 4 * POINTS, endpoint=False)
        peak_db = float(_response_db(sections, sample_rate_hz, grid).max())
        headroom_db = peak_db if peak_db > 1e-6 else 0.0  # what rounding leaves of 0 dB is no boost
    return Equalizer(sample_rate_hz, sections, headroom_db)


def frequencies_hz() -> NDArray[np.float64]:
    """Return the frequencies at which a response is drawn, in Hz: 400, at equal musical distances."""
    return np.geomspace(20.0, 20_000.0, POINTS)


def _response_db(sections: Sections, sample_rate_hz: int, frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(sections):
        return np.zeros(len(frequencies))
    _, response = freqz_sos(sections, worN=np.minimum(frequencies, sample_rate_hz / 2), fs=sample_rate_hz)
    decibels: NDArray[np.float64] = 20 * np.log10(np.maximum(np.abs(response), 1e-12))
    return decibels


# --- Coefficients ---------------------------------------------------------------------------------------------------


def _bands(settings: EqualizerSettings, sample_rate_hz: int) -> Iterator[NDArray[np.float64]]:
    bands = (
        (settings.bass_db, BASS_HZ, _low_shelf),
        (settings.mid_db, MID_HZ, _peak),
        (settings.treble_db, TREBLE_HZ, _high_shelf),
    )
    for gain_db, frequency_hz, section in bands:
        if gain_db != 0 and frequency_hz < sample_rate_hz / 2:
            coefficients = np.array(section(10 ** (gain_db / 40), 2 * np.pi * frequency_hz / sample_rate_hz))
            yield coefficients / coefficients[3]


def _low_shelf(a: float, w: float) -> list[float]:
    """Return a shelf of slope 1; `a` is the square root of the gain, `w` the frequency in radians per sample."""
    c, t = float(np.cos(w)), float(np.sin(w) * np.sqrt(2 * a))
    b = [a * (a + 1 - (a - 1) * c + t), 2 * a * (a - 1 - (a + 1) * c), a * (a + 1 - (a - 1) * c - t)]
    return [*b, a + 1 + (a - 1) * c + t, -2 * (a - 1 + (a + 1) * c), a + 1 + (a - 1) * c - t]


def _high_shelf(a: float, w: float) -> list[float]:
    """Return a shelf of slope 1; arguments are those of `_low_shelf`."""
    c, t = float(np.cos(w)), float(np.sin(w) * np.sqrt(2 * a))
    b = [a * (a + 1 + (a - 1) * c + t), -2 * a * (a - 1 + (a + 1) * c), a * (a + 1 + (a - 1) * c - t)]
    return [*b, a + 1 - (a - 1) * c + t, 2 * (a - 1 - (a + 1) * c), a + 1 - (a - 1) * c - t]


def _peak(a: float, w: float) -> list[float]:
    """Return a peak of quality `MID_Q`; arguments are those of `_low_shelf`."""
    c, alpha = float(np.cos(w)), float(np.sin(w) / (2 * MID_Q))
    return [1 + alpha * a, -2 * c, 1 - alpha * a, 1 + alpha / a, -2 * c, 1 - alpha / a]


def _butterworth(settings: EqualizerSettings, sample_rate_hz: int) -> Iterator[NDArray[np.float64]]:
    nyquist_hz = sample_rate_hz / 2
    for removed_below_hz in (settings.high_pass_hz, settings.band_pass_low_hz):
        if removed_below_hz is not None and removed_below_hz >= nyquist_hz:
            reason = f"nothing is left above {removed_below_hz:g} Hz of a song with {sample_rate_hz} samples a second"
            raise Rejected("nothing_left", reason)
    if settings.high_pass_hz is not None:
        yield from butter(settings.high_pass_order, settings.high_pass_hz, "highpass", fs=sample_rate_hz, output="sos")
    if settings.low_pass_hz is not None and settings.low_pass_hz < nyquist_hz:
        yield from butter(settings.low_pass_order, settings.low_pass_hz, "lowpass", fs=sample_rate_hz, output="sos")
    if settings.band_pass_low_hz is not None and settings.band_pass_high_hz is not None:
        yield from _band_pass(settings, sample_rate_hz)


def _band_pass(settings: EqualizerSettings, sample_rate_hz: int) -> NDArray[np.float64]:
    low_hz, high_hz, order = settings.band_pass_low_hz, settings.band_pass_high_hz, settings.band_pass_order
    assert low_hz is not None
    assert high_hz is not None
    is_open = high_hz >= sample_rate_hz / 2
    kind, corners = ("highpass", low_hz) if is_open else ("bandpass", (low_hz, high_hz))
    sections: NDArray[np.float64] = butter(order, corners, kind, fs=sample_rate_hz, output="sos")
    return sections


# --- Filtering ------------------------------------------------------------------------------------------------------


def equalized(blocks: Iterable[NDArray[np.float32]], equalizer: Equalizer) -> Iterator[NDArray[np.float64]]:
    """Equalize a song block by block, in constant memory; the result is the same however it is cut.

    Parameters
    ----------
    blocks : iterable of float32 [shape=(frames, channels)]
        The song, from its beginning; full scale at 1.0.
    equalizer : Equalizer
        For the rate of the song.

    Yields
    ------
    float64 [shape=(frames, channels)]
        As many frames as came in, never beyond full scale: see `_limited`. Where the equalizer is flat, the very same
        samples.
    """
    if equalizer.is_flat:
        yield from (block.astype(np.float64) for block in blocks)
    else:
        yield from _limited(_filtered(blocks, equalizer))


def _filtered(blocks: Iterable[NDArray[np.float32]], equalizer: Equalizer) -> Iterator[NDArray[np.float64]]:
    """Yield chunks of float64 [shape=(channels, frames)], all of `CHUNK_FRAMES` but the last."""
    state: NDArray[np.float64] | None = None
    for chunk in _chunks(blocks):
        if state is None:
            state = np.zeros((len(equalizer.sections), len(chunk), 2))
        if len(state):
            chunk, state = sosfilt(equalizer.sections, chunk, zi=state)
            # In digital silence the filters ring down to numbers that processors are very slow with.
            state[np.abs(state) < 1e-30] = 0.0
        yield equalizer.gain * chunk


def _chunks(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float64]]:
    collected: list[NDArray[np.float32]] = []
    count = 0
    for block in blocks:
        begin = 0
        while count + len(block) - begin >= CHUNK_FRAMES:
            end = begin + CHUNK_FRAMES - count
            yield _joined([*collected, block[begin:end]])
            collected, count, begin = [], 0, end
        collected.append(block[begin:])
        count += len(block) - begin
    if count:
        yield _joined(collected)


def _joined(blocks: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    return np.concatenate(blocks).T.astype(np.float64, order="C")


# --- Limiting -------------------------------------------------------------------------------------------------------

_POINT_FRAMES = 256
"""Distance of the points between which the gain of the limiter is linear: 6 ms."""
_HELD_POINTS = 8
"""How long the limiter stays down: 46 ms hold a period of 22 Hz, so that it does not follow the wave itself."""


def _limited(chunks: Iterable[NDArray[np.float64]]) -> Iterator[NDArray[np.float64]]:
    """Turn down what would pass full scale: loud transients that overshoot, or boosts without headroom.

    The gain at each point is the least that the stretches around it need, so it comes down before a peak and the gain
    between two points suits both. What stays within full scale passes untouched.
    """
    held = np.ones(_HELD_POINTS)
    waiting: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    for chunk in chunks:
        needed = _needed_gains(chunk)
        if waiting is not None:
            chunk_before, needed_before = waiting
            yield _turned_down(chunk_before, held, np.append(needed_before, needed[0]))
            held = np.concatenate([held, needed_before])[-_HELD_POINTS:]
        waiting = chunk, needed
    if waiting is not None:
        yield _turned_down(waiting[0], held, np.append(waiting[1], 1.0))


def _needed_gains(chunk: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the gain that each stretch of float64 [shape=(channels, frames)] needs to stay within full scale."""
    begins = np.arange(0, chunk.shape[1], _POINT_FRAMES)
    peaks = np.maximum.reduceat(np.maximum(chunk.max(axis=0), -chunk.min(axis=0)), begins)
    gains: NDArray[np.float64] = 1 / np.maximum(peaks, 1.0)
    return gains


def _turned_down(
    chunk: NDArray[np.float64], held: NDArray[np.float64], needed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a chunk as float64 [shape=(frames, channels)], with the gains of the stretches before and after it."""
    gains = np.concatenate([held, needed])
    if (gains == 1).all():
        return chunk.T
    points = np.lib.stride_tricks.sliding_window_view(gains, _HELD_POINTS + 1).min(axis=1)
    ramp = np.arange(_POINT_FRAMES) / _POINT_FRAMES
    curve = points[:-1, np.newaxis] * (1 - ramp) + points[1:, np.newaxis] * ramp
    # Not a hair above full scale, whatever the product was rounded to.
    turned_down: NDArray[np.float64] = np.clip(chunk * curve.reshape(-1)[: chunk.shape[1]], -1.0, 1.0).T
    return turned_down
