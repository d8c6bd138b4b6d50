from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tunescout.demo_music import gather, unpack

METADATA = "Metadata-Version: 2.4\nName: music\nLicense-Expression: {}\n"


def wheel(path: Path, licence: str, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path / "music-1-py3-none-any.whl", "w") as archive:
        archive.writestr("music-1.dist-info/METADATA", METADATA.format(licence))
        for name, content in members.items():
            archive.writestr(name, content)
    return path / "music-1-py3-none-any.whl"


def test_without_the_index_the_music_is_made_on_the_spot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setattr("tunescout.demo_music.SYNTHESISED", 2)
    monkeypatch.setattr("tunescout.demo_music.SYNTHESISED_DURATION_S", 2.0)
    music = gather()
    assert music.origin == "tunes that this program makes up"
    assert len({file.path.read_bytes() for file in music.songs + music.held_back}) == 4
    assert gather() == music


def test_own_folder_is_used_whole_and_strangers_are_not_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunescout.demo_music.SYNTHESISED_DURATION_S", 1.0)
    for n in range(60):
        (tmp_path / f"{n:02}.mp3").write_bytes(b"x")
    music = gather(tmp_path)
    assert [file.path.name for file in music.songs] == [f"{n:02}.mp3" for n in range(50)]
    assert all(file.path.parent != tmp_path for file in music.held_back)


def test_folder_without_music_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no audio file"):
        gather(tmp_path)


def test_wheel_gives_its_recordings_and_nothing_else(tmp_path: Path) -> None:
    members = {
        "music/tracks/a.opus": b"a",
        "../../escaped.opus": b"b",
        "music/.hidden.opus": b"c",
        "music/__init__.py": b"raise SystemExit",
        "music-1.dist-info/licenses/LICENSE": b"do as you like",
    }
    unpack(wheel(tmp_path, "MIT", members), tmp_path / "cache" / "music")
    found = {path.relative_to(tmp_path / "cache").as_posix() for path in (tmp_path / "cache").rglob("*")}
    assert found == {"music", "music/a.opus", "music/escaped.opus", "music/LICENCE", "music/LICENCE-TEXT"}


def test_wheel_without_a_free_licence_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="LicenseRef-Secret"):
        unpack(wheel(tmp_path, "LicenseRef-Secret", {"music/a.opus": b"a"}), tmp_path / "cache" / "music")
    assert list((tmp_path / "cache").iterdir()) == []
