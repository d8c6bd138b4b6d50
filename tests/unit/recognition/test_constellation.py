"""Which peaks does audio leave, and which audio is refused?"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from services.fingerprint.constellation import fingerprint_clip, fingerprint_song
from services.fingerprint.parameters import CLIP_QUOTA, QUOTA_FRAMES, REACH_FRAMES, SONG_QUOTA
from services.fingerprint.peaks import find_peaks
from services.fingerprint.spectrogram import blocks
from shared.errors import Rejected
from shared.fingerprint import BIN_WIDTH_HZ, FRAME_RATE_HZ, STEPS_PER_BIN
from tunescout.synthesis import tune

Samples = NDArray[np.float32]


def noise(duration_s: float, level_dbfs: float) -> Samples:
    samples = np.random.default_rng(0).standard_normal(int(duration_s * 8_000))
    return (samples * 10 ** (level_dbfs / 20)).astype(np.float32)


@pytest.mark.parametrize("block_frames", [16, 100, 1_024])
def test_where_blocks_end_changes_no_peak(block_frames: int) -> None:
    samples = tune(2, 20.0, 8_000)
    whole, parts = (
        find_peaks(blocks(samples, REACH_FRAMES, 10_000)),
        find_peaks(blocks(samples, REACH_FRAMES, block_frames)),
    )
    np.testing.assert_array_equal(parts.frames, whole.frames)
    np.testing.assert_array_equal(parts.frequencies, whole.frequencies)
    assert parts.loudest_dbfs == pytest.approx(whole.loudest_dbfs)


@pytest.mark.parametrize("frequency_hz", [200.0, 441.3, 1_234.5, 3_700.0])
def test_a_tone_is_a_peak_at_its_time_and_frequency(frequency_hz: float) -> None:
    time_s = np.arange(4 * 8_000) / 8_000
    bell = np.exp(-(((time_s - 2.0) / 0.1) ** 2)) * np.sin(2 * np.pi * frequency_hz * time_s)
    peaks = find_peaks(blocks(bell.astype(np.float32), REACH_FRAMES))
    loudest = int(np.argmax(peaks.powers))
    centre_s = peaks.frames[loudest] / FRAME_RATE_HZ + 0.064
    assert centre_s == pytest.approx(2.0, abs=0.009)
    assert peaks.frequencies[loudest] * BIN_WIDTH_HZ / STEPS_PER_BIN == pytest.approx(frequency_hz, abs=1.5)


@pytest.mark.parametrize(
    ("fingerprint", "quota"), [(fingerprint_song, SONG_QUOTA), (fingerprint_clip, CLIP_QUOTA)], ids=["song", "clip"]
)
def test_no_span_has_more_peaks_than_its_quota(fingerprint: object, quota: int) -> None:
    assert callable(fingerprint)
    frames = fingerprint(noise(20, -20)).frames
    per_span = np.bincount(frames // QUOTA_FRAMES)
    assert per_span.max() == quota
    assert (np.diff(frames.astype(np.int64)) >= 0).all()


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(80_000, np.float32),
        np.full(80_000, 0.5, np.float32),
        noise(10, -80),
        np.eye(1, 80_000, 40_000, dtype=np.float32)[0],
    ],
    ids=["digital", "constant", "hiss", "click"],
)
def test_silence_is_refused(samples: Samples) -> None:
    with pytest.raises(Rejected) as refused:
        fingerprint_clip(samples)
    assert refused.value.code == "silence"


def test_quiet_music_is_not_silence() -> None:
    loud = tune(3, 10.0, 8_000)
    quiet = loud * np.float32(10 ** (-30 / 20))  # -50 dBFS
    np.testing.assert_array_equal(fingerprint_clip(quiet).frames, fingerprint_clip(loud).frames)


def test_what_is_too_short_is_refused() -> None:
    for fingerprint, longest_s in ((fingerprint_clip, 0.99), (fingerprint_song, 2.99), (fingerprint_clip, 0.0)):
        with pytest.raises(Rejected) as refused:
            fingerprint(noise(longest_s, -20))
        assert refused.value.code == "too_short"
    assert fingerprint_clip(noise(1.0, -20)).duration_s == 1.0
