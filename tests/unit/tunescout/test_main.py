from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.unit.tunescout.small_service import SmallService
from tunescout.main import app
from tunescout.session import account_for


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def owned(service: SmallService, home: Path) -> SmallService:
    """A service whose owner's account lies in the data folder of this machine."""
    account = {"server": service.url, "username": "ada", "password": "a long password"}
    data_dir = home / "data" / "tunescout"
    data_dir.mkdir(parents=True)
    (data_dir / "owner.json").write_text(json.dumps(account))
    return service


def test_identify_names_a_clip_without_obeying_its_title(owned: SmallService, tmp_path: Path) -> None:
    (tmp_path / "clip.wav").write_bytes(b"music")
    result = run("identify", "--server", owned.url, tmp_path / "clip.wav")
    assert result.exit_code == 0
    assert "�[31m[bold]Über�" in result.stdout
    assert "begins at 1:23 of 3:20, confidence 99%" in result.stdout


def test_identify_fails_when_one_clip_has_no_name(owned: SmallService, tmp_path: Path) -> None:
    for name in ("music", "silent", "bad"):
        (tmp_path / name).write_bytes(name.encode())
    result = run("identify", "--json", "--server", owned.url, *(tmp_path / name for name in ("music", "silent", "bad")))
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [line.get("outcome") for line in lines] == ["match", "no_match", None]
    assert lines[2]["error"] == {"code": "not_audio", "reason": "the clip is not audio"}


def test_service_that_nobody_started_is_told_from_a_miss(owned: SmallService, tmp_path: Path) -> None:
    (tmp_path / "clip.wav").write_bytes(b"music")
    owned.stop()
    result = run("identify", "--server", owned.url, tmp_path / "clip.wav")
    assert result.exit_code == 3
    assert "does not answer" in result.stderr


def test_import_prints_a_line_of_json_for_each_file_and_a_summary(owned: SmallService, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"one")
    (tmp_path / "b.ogg").write_bytes(b"bad")
    result = run("import", "--json", "--server", owned.url, tmp_path)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert {Path(line["file"]).name: line["status"] for line in lines[:-1]} == {"a.mp3": "ready", "b.ogg": "rejected"}
    assert lines[-1] == {"summary": {"files": 2, "ready": 1, "duplicate": 0, "rejected": 1, "failed": 0}}


def test_import_shows_why_a_file_was_refused(owned: SmallService, tmp_path: Path) -> None:
    (tmp_path / "b.ogg").write_bytes(b"bad")
    result = run("import", "--server", owned.url, tmp_path)
    assert "rejected  b.ogg  this is not audio" in result.stdout


def test_songs_are_one_json_object_a_line(owned: SmallService) -> None:
    owned.songs = {f"song-{n}": {"id": f"song-{n}", "status": "ready", "title": "x"} for n in range(3)}
    result = run("songs", "--json", "--limit", "2", "--server", owned.url)
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["song-0", "song-1"]


def test_imported_songs_are_seen_by_whom_the_importer_says_until_told_otherwise(
    owned: SmallService, tmp_path: Path
) -> None:
    for name, options in (("default", ()), ("shared", ("--shared",)), ("private", ("--private",))):
        (tmp_path / f"{name}.mp3").write_bytes(name.encode())
        assert run("import", *options, "--server", owned.url, tmp_path / f"{name}.mp3").exit_code == 0
    songs = {song["file_name"]: song for song in owned.songs.values()}
    assert [song.get("visibility") for song in songs.values()] == [None, "shared", "private"]

    assert "is shared" in run("share", "--server", owned.url, songs["private.mp3"]["id"]).stdout
    run("share", "--private", "--server", owned.url, songs["shared.mp3"]["id"])
    assert [song.get("visibility") for song in songs.values()] == [None, "private", "shared"]
    assert "owner" in run("songs", "--server", owned.url).stdout


def test_login_is_kept_for_the_next_command_until_logout(service: SmallService) -> None:
    login = ("login", "--server", service.url, "-u", "ada", "--password")
    assert run(*login, "wrong").exit_code == 1
    assert run("songs", "--server", service.url).exit_code == 1
    assert run(*login, "a long password").exit_code == 0
    assert run("songs", "--server", service.url).exit_code == 0


def test_owners_password_is_never_sent_to_another_machine(owned: SmallService, home: Path) -> None:
    assert account_for(owned.url, home / "data" / "tunescout") is not None
    assert account_for("http://127.0.0.1:1", home / "data" / "tunescout") is not None
    assert account_for("http://music.example", home / "data" / "tunescout") is None


def test_server_that_is_no_url_is_wrong_usage() -> None:
    assert run("songs", "--server", "localhost:8000").exit_code == 2


def test_package_asks_for_every_song_that_is_ready(owned: SmallService, tmp_path: Path) -> None:
    for name in ("one", "two", "bad"):
        (tmp_path / f"{name}.mp3").write_bytes(name.encode())
    run("import", "--server", owned.url, tmp_path)
    ready = [song["id"] for song in owned.songs.values() if song["status"] == "ready"]

    result = run("package", "--all", "--json", "--server", owned.url)

    assert json.loads(result.stdout) == {"songs": 2}
    assert [owned.calls[f"POST /v1/songs/{song_id}/package"] for song_id in ready] == [1, 1]
