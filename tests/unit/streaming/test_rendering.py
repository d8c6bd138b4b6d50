"""Is a rendered file what the equalizer makes of the song, and the same whenever it is made?"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.signal import correlate, sosfilt

from services.streaming.equalizer import EqualizerSettings, equalizer
from services.streaming.rendering import Format, Rendered, RenderSpec, render
from shared.audio.source import DecodeLimits
from shared.errors import Rejected

RATE_HZ = 44_100
LIMITS = DecodeLimits()
WARM = EqualizerSettings(bass_db=4, treble_db=-2.5, high_pass_hz=40)
FLAT = EqualizerSettings()


def music(duration_s: float, channels: int = 2, rate_hz: int = RATE_HZ) -> NDArray[np.int16]:
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    chord = sum(np.sin(2 * np.pi * hz * time_s + hz) for hz in (110, 277, 660, 3_000, 9_000)) / 5
    voices = [chord * np.sin(3 * time_s + channel) for channel in range(channels)]
    samples: NDArray[np.int16] = np.rint(30_000 * np.stack(voices, axis=1)).astype(np.int16)
    return samples


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song"
    soundfile.write(path, music(7), RATE_HZ, "PCM_16", format="WAV")
    return path


def made(
    song: Path, kind: Format, settings: EqualizerSettings, bit_depth: int = 16, max_bytes: int = 2**30
) -> tuple[Path, Rendered]:
    target = song.with_suffix(f".{bit_depth}.{kind}")
    spec = RenderSpec.model_validate({"settings": settings, "format": kind, "bit_depth": bit_depth})
    return target, render(song, target, spec, LIMITS, max_bytes)


def decoded(path: Path) -> NDArray[np.float32]:
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    joined: NDArray[np.float32] = np.concatenate(blocks, axis=1).astype(np.float32).T
    return joined


@pytest.mark.parametrize(("kind", "bit_depth"), [("wav", 16), ("wav", 24), ("flac", 16), ("flac", 24)])
def test_flat_lossless_render_has_the_very_samples_of_the_song(song: Path, kind: Format, bit_depth: int) -> None:
    target, rendered = made(song, kind, FLAT, bit_depth)

    samples, rate_hz = soundfile.read(target, dtype="int32")

    assert soundfile.info(target).subtype == f"PCM_{bit_depth}"
    assert (samples >> 16 == music(7)).all()
    assert (rate_hz, rendered.sample_rate_hz, rendered.duration_s) == (RATE_HZ, RATE_HZ, 7.0)
    assert (rendered.before.maxima == rendered.after.maxima).all()


def test_render_by_blocks_is_what_filtering_the_whole_song_gives(song: Path) -> None:
    target, rendered = made(song, "wav", WARM, 24)

    whole = equalizer(WARM, RATE_HZ)
    expected = whole.gain * sosfilt(whole.sections, music(7) / 2**15, axis=0)

    samples, _ = soundfile.read(target, dtype="int32")
    assert (samples >> 8 == np.rint(expected * 2**23)).all()
    assert rendered.headroom_db == whole.headroom_db > 3


def test_sixteen_bits_are_dithered_by_no_more_than_a_step(song: Path) -> None:
    samples, _ = soundfile.read(made(song, "wav", WARM)[0])
    precise, _ = soundfile.read(made(song, "wav", WARM, 24)[0])

    error_steps = (samples - precise) * 2**15
    assert np.abs(error_steps).max() < 1.51
    assert abs(error_steps.mean()) < 0.01
    assert error_steps.std() == pytest.approx(0.5, abs=0.02)  # 1/6 of the variance is the dither's, 1/12 the rounding's


@pytest.mark.parametrize("kind", ["mp3", "m4a"])
def test_lossy_render_sounds_like_the_lossless_one(song: Path, kind: Format) -> None:
    lossless, _ = soundfile.read(made(song, "wav", WARM, 24)[0])

    lossy = decoded(made(song, kind, WARM)[0])

    # Players cut what an encoder adds before the beginning; whatever is left is found by correlation.
    reference = lossless[RATE_HZ : 6 * RATE_HZ, 0]
    begin = int(np.argmax(correlate(lossy[:, 0], reference, "valid", "fft")))
    heard = lossy[begin : begin + len(reference), 0]
    assert begin == pytest.approx(RATE_HZ, abs=2_400)
    assert np.corrcoef(heard, reference)[0, 1] > 0.99
    assert lossy.shape[1] == 2


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "m4a"])
def test_same_request_makes_the_same_bytes(song: Path, kind: Format) -> None:
    first = made(song, kind, WARM)[0].read_bytes()

    assert made(song, kind, WARM)[0].read_bytes() == first


def test_mono_song_of_low_rate_keeps_its_shape(tmp_path: Path) -> None:
    song = tmp_path / "song"
    soundfile.write(song, music(2, 1, 16_000), 16_000, "PCM_16", format="FLAC")

    for kind in ("wav", "flac", "mp3", "m4a"):
        target, _ = made(song, kind, EqualizerSettings(mid_db=-3))
        with av.open(str(target)) as container:
            stream = container.streams.audio[0]
            assert (stream.codec_context.sample_rate, stream.codec_context.channels) == (16_000, 1)


def test_rate_that_a_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    song = tmp_path / "song"
    soundfile.write(song, music(1, 2, 96_000), 96_000, "PCM_16", format="WAV")

    with pytest.raises(Rejected, match="96000"):
        made(song, "mp3", FLAT)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "m4a"])
def test_file_that_would_be_too_large_is_refused(song: Path, kind: Format) -> None:
    with pytest.raises(Rejected, match=f"as {kind}"):
        made(song, kind, WARM, max_bytes=50_000)


def test_meaningless_differences_of_a_request_make_no_other_file() -> None:
    plain = RenderSpec(settings=EqualizerSettings(bass_db=1), format="mp3")

    assert RenderSpec(settings=EqualizerSettings(bass_db=1, low_pass_order=8), format="mp3", bit_depth=24).render_id(
        "song"
    ) == plain.render_id("song")
    others = [
        plain.render_id("other song"),
        RenderSpec(settings=EqualizerSettings(bass_db=1), format="m4a").render_id("song"),
        RenderSpec(settings=EqualizerSettings(bass_db=1.5), format="mp3").render_id("song"),
    ]
    assert len({plain.render_id("song"), *others}) == 4
