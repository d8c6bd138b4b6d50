"""Does a stored fingerprint come back exactly, or not at all?"""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fingerprint.constellation import fingerprint_song
from shared.fingerprint import Fingerprint
from tests.unit.recognition.fingerprints import fingerprint_of, fingerprints
from tunescout.synthesis import tune


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1), st.integers(0, 255)), max_size=60),
    st.floats(0, 1e6),
    st.text(max_size=20),
)
def test_a_packed_fingerprint_comes_back_exactly(
    peaks: list[tuple[int, int, int]], duration_s: float, algorithm: str
) -> None:
    frames, frequencies, levels = np.array(sorted(peaks), np.int64).reshape(-1, 3).T
    original = Fingerprint(
        algorithm, duration_s, frames.astype(np.uint32), frequencies.astype(np.uint16), levels.astype(np.uint8)
    )

    restored = Fingerprint.unpack(original.pack())

    assert (restored.algorithm, restored.duration_s) == (algorithm, duration_s)
    assert restored.frames.dtype == np.uint32
    assert restored.frequencies.dtype == np.uint16
    np.testing.assert_array_equal(restored.frames, original.frames)
    np.testing.assert_array_equal(restored.frequencies, original.frequencies)
    np.testing.assert_array_equal(restored.levels, original.levels)


@given(fingerprints(), st.data())
def test_damaged_bytes_are_refused(fingerprint: Fingerprint, data: st.DataObject) -> None:
    packed = bytearray(fingerprint.pack())
    position = data.draw(st.integers(0, len(packed) - 1))
    packed[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="fingerprint"):
        Fingerprint.unpack(bytes(packed))


@given(fingerprints(), st.integers(0, 200))
def test_truncated_bytes_are_refused(fingerprint: Fingerprint, length: int) -> None:
    packed = fingerprint.pack()
    with pytest.raises(ValueError, match="fingerprint"):
        Fingerprint.unpack(packed[: min(length, len(packed) - 1)])


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        Fingerprint.unpack(data)


@pytest.mark.parametrize("count", [0, 1_000, 2**22, 2**32 - 1])
def test_a_forged_count_neither_crashes_nor_allocates(count: int) -> None:
    body = zlib.compress(bytes(50_000_000))
    blank = struct.pack("<4sBBdII", b"TSFP", 2, 0, 1.0, count, 0)
    forged = blank[:-4] + struct.pack("<I", zlib.crc32(body, zlib.crc32(blank))) + body
    with pytest.raises(ValueError, match="damaged"):
        Fingerprint.unpack(forged)


def test_unsorted_peaks_cannot_be_packed() -> None:
    backwards = replace(fingerprint_of([(3, 100), (5, 100)]), frames=np.array([5, 3], np.uint32))
    with pytest.raises(ValueError, match="sorted"):
        backwards.pack()


def test_a_peak_of_music_takes_less_than_three_bytes() -> None:
    fingerprint = fingerprint_song(tune(1, 40.0, 8_000))
    assert len(fingerprint.pack()) < 3 * len(fingerprint.frames)
