"""What is measured of a song, once, and where is it kept? Its loudness and its outline."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.streaming.decoding import open_song
from services.streaming.loudness import Loudness, MeasuredLoudness
from services.streaming.waveform import Waveform, WaveformPairs
from shared.audio.source import DecodeLimits
from shared.errors import Rejected
from shared.storage.tables import Absent, ConditionFailed, Item, Key, Table


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

    async def put_failure(self, song_id: str, error: Rejected) -> None:
        """Keep why a song can't be measured, unless it was."""
        key = _key(song_id)
        item: Item = {"pk": key.pk, "sk": key.sk, "failure": error.reason}
        with contextlib.suppress(ConditionFailed):
            await self._table.put(item, condition=Absent())

    async def get(self, song_id: str) -> Measurement | Rejected | None:
        """Return what was measured, or why nothing can be (``not_measurable``), or None where nobody has tried."""
        item = await self._table.get(_key(song_id))
        if item is not None and "failure" in item:
            return Rejected("not_measurable", f"this song can't be measured: {item['failure']!s}", status=404)
        return None if item is None else _measurement(item)

    async def delete(self, song_id: str) -> None:
        """Forget what was measured of a song."""
        await self._table.delete(_key(song_id))


def _key(song_id: str) -> Key:
    return Key(f"song#{song_id}", "measurement")


def _item(song_id: str, measurement: Measurement) -> Item:
    loudness, waveform = measurement.loudness, measurement.waveform
    return {
        "pk": _key(song_id).pk,
        "sk": _key(song_id).sk,
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
