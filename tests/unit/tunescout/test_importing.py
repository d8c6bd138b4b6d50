from __future__ import annotations

from pathlib import Path

from tunescout.importing import audio_files


def test_folders_give_their_audio_files_in_order_and_each_once(tmp_path: Path) -> None:
    for name in ("b/2.MP3", "a/1.flac", "b/cover.jpg", ".trash/3.mp3", "b/.4.mp3", "b/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "b" / "again.mp3").symlink_to(tmp_path / "a" / "1.flac")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    found = [file.path.relative_to(tmp_path).as_posix() for file in audio_files([tmp_path, tmp_path / "a" / "1.flac"])]
    assert found == ["a/1.flac", "b/2.MP3"]


def test_named_file_is_taken_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "recording").write_bytes(b"x")
    assert [file.path for file in audio_files([tmp_path / "recording"])] == [tmp_path / "recording"]
