from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.audio.decode import DecodeLimits, DecoderName, decode
from shared.audio.ffmpeg_source import decode_command, probe_command
from shared.audio.sniff import sniff
from shared.errors import Rejected
from tests.unit.audio.sound import DECODERS, RECIPES, Recipe, recipe, strongest_frequency_hz, tone, write

every_decoder = pytest.mark.parametrize("decoder", DECODERS)


def rejected_code(path: Path, decoder: DecoderName = "pyav", limits: DecodeLimits | None = None) -> str:
    with pytest.raises(Rejected) as rejected:
        decode(path, sample_rate_hz=8000, limits=limits, decoder=decoder)
    assert rejected.value.reason
    return rejected.value.code


def wav(sample_rate_hz: int, channels: int, data: bytes, *, format_tag: int = 1, bits: int = 16) -> bytes:
    block_bytes = channels * bits // 8
    sound = struct.pack("<HHIIHH", format_tag, channels, sample_rate_hz, 0, block_bytes & 0xFFFF, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + sound + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.container}-{r.codec}-{r.sample_rate_hz}-{r.channels}")
def test_every_kind_of_file_gives_back_its_sound(tmp_path: Path, recipe: Recipe) -> None:
    path = write(tmp_path / "unnamed", recipe, tone(3.0, sample_rate_hz=recipe.sample_rate_hz))
    decoded = decode(path, sample_rate_hz=8000)
    assert decoded.samples.dtype == np.float32
    assert decoded.samples.ndim == 1
    assert decoded.duration_s == pytest.approx(3.0, abs=0.1)
    assert len(decoded.samples) == round(decoded.duration_s * decoded.sample_rate_hz)
    assert strongest_frequency_hz(decoded.samples, 8000) == pytest.approx(440, abs=1)
    assert np.abs(decoded.samples[8000:16000]).max() == pytest.approx(0.25, abs=0.06)
    assert not decoded.truncated
    claimed = decoded.audio_format
    assert (claimed.container, claimed.codec) == (recipe.container, recipe.codec)
    assert (claimed.sample_rate_hz, claimed.channels) == (recipe.sample_rate_hz, recipe.channels)


@pytest.mark.parametrize(
    "recipe",
    # Old versions of FFmpeg keep the encoder's delay of AAC in Matroska, new ones drop it.
    [recipe for recipe in RECIPES if recipe.container != "matroska"],
    ids=lambda r: f"{r.container}-{r.codec}-{r.sample_rate_hz}-{r.channels}",
)
def test_all_decoders_give_the_same_sound_and_format(tmp_path: Path, recipe: Recipe) -> None:
    path = write(tmp_path / "song", recipe, tone(2.0, sample_rate_hz=recipe.sample_rate_hz))
    expected, *others = [decode(path, sample_rate_hz=8000, decoder=decoder) for decoder in DECODERS]
    for decoded in others:
        shared = min(len(expected.samples), len(decoded.samples))
        assert abs(expected.duration_s - decoded.duration_s) < 0.05
        np.testing.assert_allclose(decoded.samples[:shared], expected.samples[:shared], atol=2e-3)
        bit_rate = {"bit_rate_bps": None}
        assert decoded.audio_format.model_copy(update=bit_rate) == expected.audio_format.model_copy(update=bit_rate)


def test_stereo_is_mixed_down_to_the_mean_of_its_channels(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left, right = np.full(8000, 16000, np.int16), np.full(8000, -4000, np.int16)
    path.write_bytes(wav(8000, 2, np.stack([left, right], axis=1).tobytes()))
    samples = decode(path, sample_rate_hz=8000).samples
    np.testing.assert_allclose(samples, 6000 / 32768, atol=1e-4)


def test_only_the_wanted_seconds_are_decoded_however_long_the_file_is(tmp_path: Path) -> None:
    path = write(tmp_path / "song", recipe("flac"), tone(9.0, sample_rate_hz=96_000))
    decoded = decode(path, sample_rate_hz=8000, limits=DecodeLimits(max_duration_s=5.0), max_output_s=2.5)
    assert decoded.duration_s == 2.5
    assert not decoded.truncated


def test_absurd_floating_point_samples_become_finite(tmp_path: Path) -> None:
    path = tmp_path / "absurd.wav"
    data = np.resize(np.array([np.nan, np.inf, -np.inf, 3e38, 0.5], np.float32), 16_000)
    path.write_bytes(wav(8000, 1, data.tobytes(), format_tag=3, bits=32))
    samples = decode(path, sample_rate_hz=8000).samples
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 16


# --- Files that end too early ---


@every_decoder
def test_a_truncated_mp3_gives_what_is_there_and_says_so(tmp_path: Path, decoder: DecoderName) -> None:
    path = write(tmp_path / "song.mp3", recipe("mp3"), tone(6.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    decoded = decode(path, sample_rate_hz=8000, decoder=decoder)
    assert decoded.duration_s == pytest.approx(3.0, abs=0.2)
    assert strongest_frequency_hz(decoded.samples, 8000) == pytest.approx(440, abs=1)
    assert decoded.truncated


@every_decoder
def test_a_truncated_m4a_gives_what_is_there_and_says_so(tmp_path: Path, decoder: DecoderName) -> None:
    path = write(tmp_path / "song.m4a", recipe("mp4"), tone(6.0), options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    decoded = decode(path, sample_rate_hz=8000, decoder=decoder)
    assert decoded.duration_s == pytest.approx(3.0, abs=1.0)
    assert decoded.truncated


@every_decoder
def test_an_m4a_that_lost_its_index_is_damaged(tmp_path: Path, decoder: DecoderName) -> None:
    path = write(tmp_path / "song.m4a", recipe("mp4"), tone(3.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert rejected_code(path, decoder) == "damaged"


# --- Files that lie ---


@every_decoder
@pytest.mark.parametrize(
    ("sample_rate_hz", "channels", "code"),
    [
        (1, 1, "unsupported_sample_rate"),
        (384_000, 1, "unsupported_sample_rate"),
        (4_000_000_000, 1, "damaged"),
        (44_100, 9, "too_many_channels"),
        (44_100, 65_535, "damaged"),
        (44_100, 0, "damaged"),
    ],
)
def test_a_header_that_no_music_has_is_refused(
    tmp_path: Path, sample_rate_hz: int, channels: int, code: str, decoder: DecoderName
) -> None:
    path = tmp_path / "small.wav"
    path.write_bytes(wav(sample_rate_hz, channels, bytes(2000)))
    assert rejected_code(path, decoder) == code


def set_flac_sample_count(path: Path, count: int) -> None:
    data = bytearray(path.read_bytes())
    claims = int.from_bytes(data[18:26], "big") >> 36 << 36 | count
    data[18:26] = claims.to_bytes(8, "big")
    path.write_bytes(data)


@every_decoder
def test_three_hours_are_refused_by_their_header(tmp_path: Path, decoder: DecoderName) -> None:
    path = write(tmp_path / "long.flac", recipe("flac"), tone(1.0, sample_rate_hz=96_000))
    set_flac_sample_count(path, 3 * 3600 * 96_000)
    with pytest.raises(Rejected, match=r"3:00:00 long, the limit is 2:00:00") as rejected:
        decode(path, sample_rate_hz=8000, decoder=decoder)
    assert rejected.value.code == "too_long"


@every_decoder
def test_a_flac_header_that_claims_to_be_short_does_not_help(tmp_path: Path, decoder: DecoderName) -> None:
    path = write(tmp_path / "long.flac", recipe("flac"), tone(8.0, sample_rate_hz=96_000))
    set_flac_sample_count(path, 0)
    assert rejected_code(path, decoder, DecodeLimits(max_duration_s=5.0)) == "too_long"


@every_decoder
def test_an_mp4_header_that_claims_to_be_short_does_not_help(tmp_path: Path, decoder: DecoderName) -> None:
    path = write(tmp_path / "long.m4a", recipe("mp4"), tone(8.0))
    data = bytearray(path.read_bytes())
    for box, duration_at in ((b"mvhd", 20), (b"mdhd", 20)):
        at = data.index(box) + duration_at
        data[at : at + 4] = (1000).to_bytes(4, "big")
    path.write_bytes(data)
    assert rejected_code(path, decoder, DecodeLimits(max_duration_s=5.0)) == "too_long"


def test_an_mp3_that_does_not_say_its_length_is_measured_by_decoding(tmp_path: Path) -> None:
    path = write(tmp_path / "long.mp3", recipe("mp3"), tone(8.0), options={"write_xing": "0"})
    assert rejected_code(path, limits=DecodeLimits(max_duration_s=5.0)) == "too_long"
    assert decode(path, sample_rate_hz=8000, limits=DecodeLimits(max_duration_s=9.0)).duration_s > 7.9


@every_decoder
def test_compressed_silence_is_stopped_by_its_expansion(tmp_path: Path, decoder: DecoderName) -> None:
    silent_flac = Recipe("flac", "flac", "flac", "flac", 8000, 1)
    path = write(tmp_path / "bomb.flac", silent_flac, np.zeros(5 * 60 * 8000, np.float32))
    strict = DecodeLimits(max_expansion=50, free_expansion_bytes=1_000_000)
    assert rejected_code(path, decoder, strict) == "too_large_to_decode"
    assert decode(path, sample_rate_hz=8000, decoder=decoder).duration_s == pytest.approx(300, abs=0.1)


@every_decoder
def test_noise_with_the_first_bytes_of_audio_is_damaged(tmp_path: Path, decoder: DecoderName) -> None:
    noise = np.random.default_rng(1).bytes(20_000)
    for name, magic in (("a", b"fLaC"), ("b", b"OggS"), ("c", b"\x1aE\xdf\xa3"), ("d", b"\0\0\0\x18ftypM4A ")):
        path = tmp_path / name
        path.write_bytes(magic + noise)
        assert rejected_code(path, decoder) == "damaged"


@every_decoder
def test_a_container_without_sound_has_no_audio_stream(tmp_path: Path, decoder: DecoderName) -> None:
    path = tmp_path / "empty.mp4"
    movie_header = b"mvhd" + bytes(12) + struct.pack(">II", 1000, 0) + bytes(80)
    movie = b"moov" + struct.pack(">I", 4 + len(movie_header)) + movie_header
    path.write_bytes(b"\0\0\0\x14ftypisom\0\0\0\0isom" + struct.pack(">I", 4 + len(movie)) + movie)
    assert rejected_code(path, decoder) == "no_audio_stream"


@every_decoder
def test_an_encoding_that_nobody_knows_is_refused(tmp_path: Path, decoder: DecoderName) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(wav(8000, 1, bytes(4000), format_tag=0x1234))
    assert rejected_code(path, decoder) == "unsupported_codec"


def test_a_codec_outside_the_list_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "adpcm.wav"
    path.write_bytes(wav(8000, 1, bytes(4000), format_tag=2, bits=4))
    assert rejected_code(path) in ("unsupported_codec", "damaged")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    container=st.sampled_from(["mp3", "mp4", "ogg", "flac", "webm", "wav"]),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=30),
    keep=st.floats(0.01, 1.0),
)
def test_a_corrupted_file_is_decoded_or_rejected_and_nothing_else(
    tmp_path: Path, container: str, edits: list[tuple[float, int]], keep: float
) -> None:
    whole = tmp_path / container
    if not whole.exists():
        write(whole, recipe(container), tone(1.0, sample_rate_hz=recipe(container).sample_rate_hz))
    data = bytearray(whole.read_bytes())
    for at, value in edits:
        data[int(at * len(data))] = value
    path = tmp_path / "corrupted"
    path.write_bytes(data[: int(keep * len(data))])
    try:
        decoded = decode(path, sample_rate_hz=8000)
    except Rejected:
        return
    assert np.isfinite(decoded.samples).all()


def test_the_commands_open_this_file_by_this_demuxer_and_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path / "http:evil -i.mp3", recipe("mp3"), tone(1.0))
    kind = sniff(path)
    for command in (probe_command(path, kind), decode_command(path, kind, 8000, 60.0)):
        before_input = command[: command.index("-i")]
        assert before_input[before_input.index("-f") + 1] == "mp3"
        assert before_input[before_input.index("-format_whitelist") + 1] == "mp3"
        assert before_input[before_input.index("-protocol_whitelist") + 1] == "file,pipe"
        assert command[command.index("-i") + 1] == f"file:{path}"
    assert "-nostdin" in command
    assert command[command.index("-t") + 1] == "60.000"
