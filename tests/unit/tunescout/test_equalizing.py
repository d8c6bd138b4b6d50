from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import sosfilt
from typer.testing import CliRunner, Result

from services.streaming.equalizer import EqualizerSettings, equalizer
from tunescout.main import app

RATE_HZ = 22_050


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["equalize", *(str(one) for one in arguments)], env={"COLUMNS": "200"})


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.random.default_rng(2).uniform(-0.5, 0.5, (2 * RATE_HZ, 2)), RATE_HZ, "PCM_24")
    return path


def test_file_is_equalized_as_the_service_does(song: Path) -> None:
    out = song.with_name("out.flac")

    result = run(song, out, "--bass", "3", "--treble", "-2", "--high-pass", "80", "--bits", "24", "--json")

    assert result.exit_code == 0, result.stderr
    same = equalizer(EqualizerSettings(bass_db=3, treble_db=-2, high_pass_hz=80), RATE_HZ)
    expected = same.gain * sosfilt(same.sections, soundfile.read(song)[0], axis=0)
    assert np.abs(soundfile.read(out)[0] - expected).max() <= 2**-24
    told = json.loads(result.stdout)
    assert told["headroom_db"] == pytest.approx(same.headroom_db, abs=0.001)
    assert (told["sample_rate_hz"], told["duration_s"]) == (RATE_HZ, 2.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["out.ogg"], ".flac"),
        (["out.wav", "--bass", "0.3"], "multiple of 0.5"),
        (["out.wav", "--low-pass", "90", "--low-pass-order", "3"], "multiple of 2"),
        (["out.wav", "--band-pass", "900", "300"], "below"),
        (["out.wav", "--bits", "20"], "16 or 24"),
        (["none/out.wav"], "no folder"),
    ],
)
def test_wrong_usage_is_explained(song: Path, arguments: list[str], words: str) -> None:
    result = run(song, song.parent / arguments[0], *arguments[1:])

    assert result.exit_code == 2
    assert words in result.stderr


def test_song_that_cannot_be_read_leaves_what_was_there(song: Path) -> None:
    out = song.with_name("out.wav")
    out.write_bytes(b"precious")
    song.write_bytes(b"no music at all")

    result = run(song, out)

    assert result.exit_code == 1
    assert out.read_bytes() == b"precious"
    assert sorted(one.name for one in song.parent.iterdir() if one.is_file()) == ["out.wav", "song.wav"]
