from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from shared.audio.decode import decode
from tunescout.clip import SAMPLE_RATE_HZ, Samples, mix, write_mp3, write_noisy_clip


def noise(seed: int, length: int) -> Samples:
    return np.random.default_rng(seed).standard_normal(length, dtype=np.float32)


@given(snr_db=st.floats(-20, 40), loudness=st.floats(1e-3, 0.1), noise_loudness=st.floats(1e-3, 10))
def test_noise_is_added_at_exactly_the_ratio_asked_for(snr_db: float, loudness: float, noise_loudness: float) -> None:
    clip = np.float32(loudness) * noise(1, 4096)
    mixture = mix(clip, np.float32(noise_loudness) * noise(2, 4096), snr_db)
    # Undo the common gain that keeps the mixture within full scale: only then the difference is the noise.
    design = np.stack([clip, noise(2, 4096)], axis=1).astype(np.float64)
    clip_gain, noise_gain = np.linalg.lstsq(design, mixture.astype(np.float64), rcond=None)[0]
    ratio = np.mean((clip_gain * design[:, 0]) ** 2) / np.mean((noise_gain * design[:, 1]) ** 2)
    assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.01)
    assert np.max(np.abs(mixture)) <= 1.0


def test_silence_cannot_be_mixed() -> None:
    with pytest.raises(ValueError, match="silence"):
        mix(np.zeros(100, np.float32), noise(1, 100), 10.0)


def test_clip_is_cut_from_the_middle(tmp_path: Path) -> None:
    song = 0.1 * noise(3, 12 * SAMPLE_RATE_HZ)
    soundfile.write(tmp_path / "song.wav", song, SAMPLE_RATE_HZ, subtype="FLOAT")
    begin_s = write_noisy_clip(tmp_path / "song.wav", tmp_path / "clip.wav", duration_s=5.0, snr_db=60.0, seed=1)
    clip, rate_hz = soundfile.read(tmp_path / "clip.wav")
    assert (begin_s, rate_hz, len(clip)) == (3.5, SAMPLE_RATE_HZ, 5 * SAMPLE_RATE_HZ)
    begin = round(begin_s * SAMPLE_RATE_HZ)
    np.testing.assert_allclose(clip, song[begin : begin + len(clip)], atol=2e-3)


def test_mp3_copy_has_the_length_of_the_song(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.flac", 0.1 * noise(4, 3 * 48_000), 48_000)
    write_mp3(tmp_path / "song.flac", tmp_path / "copy.mp3", bit_rate=96_000)
    copy = decode(tmp_path / "copy.mp3", sample_rate_hz=SAMPLE_RATE_HZ)
    assert copy.duration_s == pytest.approx(3.0, abs=0.1)
    assert (tmp_path / "copy.mp3").stat().st_size == pytest.approx(3.0 * 96_000 / 8, rel=0.1)
