"""What is measured of a song, once, and where is it kept? Its loudness and its outline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.streaming.decoding import open_song
from services.streaming.loudness import Loudness, MeasuredLoudness
from services.streaming.waveform import Waveform, WaveformPairs
from shared.audio.source import DecodeLimits
from shared.storage.tables import Item, Key, Table

_SK = "measurement"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is known of how a song sounds and looks."""

    loudness: MeasuredLoudness
    waveform: WaveformPairs


def measure(path: Path, limits: DecodeLimits) -> Measurement:
    """Decode a song and measure it. Runs in a worker process, because the bytes may be hostile.

    Raises
    ------
    Rejected
        The file can't be decoded.
    """
    with open_song(path, limits) as song:
        loudness, waveform = Loudness(song.sample_rate_hz, song.channels), Waveform()
        for block in song.blocks:
            loudness.feed(block)
            waveform.feed(block)
    return Measurement(loudness.result(), waveform.result())


class MeasurementStore:
    """Measurements by song, in the table `LISTENING`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def put(self, song_id: str, measurement: Measurement) -> None:
        """Keep what was measured; a song always measures the same, so repeating it changes nothing."""
        await self._table.put(_item(song_id, measurement))

    async def get(self, song_id: str) -> Measurement | None:
        """Return what was measured, or None where nothing was yet."""
        item = await self._table.get(Key(f"song#{song_id}", _SK))
        return None if item is None else _measurement(item)


def _item(song_id: str, measurement: Measurement) -> Item:
    loudness, waveform = measurement.loudness, measurement.waveform
    return {
        "pk": f"song#{song_id}",
        "sk": _SK,
        "integrated_lufs": loudness.integrated_lufs,
        "range_lu": loudness.range_lu,
        "true_peak_dbtp": loudness.true_peak_dbtp,
        "minima": waveform.minima.tobytes(),
        "maxima": waveform.maxima.tobytes(),
    }


def _measurement(item: Item) -> Measurement:
    loudness = MeasuredLoudness(
        _number(item, "integrated_lufs"), _number(item, "range_lu") or 0.0, _number(item, "true_peak_dbtp")
    )
    return Measurement(loudness, WaveformPairs(_pairs(item, "minima"), _pairs(item, "maxima")))


def _pairs(item: Item, name: str) -> NDArray[np.int8]:
    value = item[name]
    assert isinstance(value, bytes)
    return np.frombuffer(value, np.int8)


def _number(item: Item, name: str) -> float | None:
    value = item[name]
    assert value is None or isinstance(value, int | float)
    return None if value is None else float(value)
