from __future__ import annotations

import json
import os
import sqlite3
import wave
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tunescout.index_file import IndexFile, Version, path_of
from tunescout.index_folder import ready_index
from tunescout.main import app
from tunescout.synthesis import Samples, tune

RATE_HZ = 8_000


def run(command: str, *arguments: str | Path) -> Result:
    jobs = ["--jobs", "1"] if command in ("build", "query") else []  # a worker is slower to start than to hear
    said = [*jobs, *(str(argument) for argument in arguments)]
    return CliRunner().invoke(app, ["index", command, *said], env={"COLUMNS": "200"})


def write(path: Path, samples: Samples) -> Path:
    with wave.open(os.fspath(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    for seed in range(3):
        write(folder / f"{seed}.wav", tune(seed, 20, RATE_HZ))
    (folder / "broken.mp3").write_bytes(b"not music at all")
    write(folder / "silent.wav", np.zeros(5 * RATE_HZ, np.float32))
    return folder


@pytest.fixture(scope="module")
def built(library: Path) -> Path:
    database = library.parent / "library.index"
    result = run("build", database, library, "--jobs", "2")
    assert result.exit_code == 1, result.stderr
    assert "3 songs added, 0 unchanged, 2 refused" in result.stdout
    return database


def lines(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def names(database: Path) -> list[str]:
    with IndexFile(database) as index_file:
        return sorted(path.name for path in index_file.versions())


def test_files_that_hold_no_music_are_listed_with_the_reason_and_stop_nothing(library: Path, tmp_path: Path) -> None:
    result = run("build", tmp_path / "index", library, tmp_path / "gone.wav")
    assert result.exit_code == 1
    refusals = dict(line.split(": ", 1) for line in result.stderr.splitlines())
    assert refusals[str(library / "broken.mp3")].startswith("the file is text, not MP3")
    assert refusals[str(library / "silent.wav")].startswith("the audio is silent")
    assert refusals[str(tmp_path / "gone.wav")] == "the file can't be read: No such file or directory"
    assert names(tmp_path / "index") == ["0.wav", "1.wav", "2.wav"]


def test_clips_are_named_in_their_order_with_place_and_score(built: Path, library: Path, tmp_path: Path) -> None:
    known = write(tmp_path / "known.wav", tune(1, 20, RATE_HZ)[7 * RATE_HZ : 15 * RATE_HZ])
    unknown = write(tmp_path / "unknown.wav", tune(9, 8, RATE_HZ))
    short = write(tmp_path / "short.wav", tune(1, 0.5, RATE_HZ))
    result = run("query", built, known, unknown, short, library / "broken.mp3", "--json")
    assert result.exit_code == 0
    first, *others = lines(result)
    assert (first["query"], first["match"]) == (str(known), str(library / "1.wav"))
    assert first["offset"] == pytest.approx(7, abs=0.03)
    assert first["time_skew"] == pytest.approx(1, abs=0.001)
    assert isinstance(first["confidence"], float)
    assert first["confidence"] > 0.9
    assert isinstance(first["seconds"], float)
    assert 0 < first["seconds"] < 100
    assert [other["query"] for other in others] == [str(unknown), str(short), str(library / "broken.mp3")]
    assert [(other["match"], other["reason"]) for other in others] == [
        (None, "unknown"),
        (None, "too_short"),
        (None, "not_audio"),
    ]


def test_people_are_told_in_words(built: Path, library: Path, tmp_path: Path) -> None:
    result = run("query", built, write(tmp_path / "clip.wav", tune(2, 18, RATE_HZ)[8 * RATE_HZ :]))
    assert f"{library / '2.wav'}\n  begins at 0:0" in result.stdout


def test_only_what_is_new_or_changed_is_heard_again(tmp_path: Path) -> None:
    folder, database = tmp_path / "music", tmp_path / "index"
    folder.mkdir()
    for seed in (0, 1):
        write(folder / f"{seed}.wav", tune(seed, 10, RATE_HZ))
    assert "2 songs added, 0 unchanged" in run("build", database, folder).stdout
    write(folder / "1.wav", tune(5, 12, RATE_HZ))
    write(folder / "2.wav", tune(2, 10, RATE_HZ))
    assert "2 songs added, 1 unchanged" in run("build", database, folder).stdout
    clip = write(tmp_path / "clip.wav", tune(5, 12, RATE_HZ)[2 * RATE_HZ :])
    assert lines(run("query", database, clip, "--json"))[0]["match"] == str(folder / "1.wav")


def test_songs_come_from_lists_and_go_with_their_folder(library: Path, tmp_path: Path) -> None:
    database, wanted = tmp_path / "index", tmp_path / "wanted.txt"
    wanted.write_text(f"{library / '0.wav'}\n\n{library / '2.wav'}\n")
    assert run("build", database, f"@{wanted}").exit_code == 0
    assert names(database) == ["0.wav", "2.wav"]
    assert run("remove", database, library / "0.wav").exit_code == 0
    assert names(database) == ["2.wav"]
    again = run("remove", database, library / "0.wav")
    assert (again.exit_code, "not in the index" in again.stderr) == (1, True)
    assert "1 songs removed" in run("remove", database, library).stdout
    assert names(database) == []


def test_stats_count_what_can_be_found(built: Path) -> None:
    (found,) = lines(run("stats", built, "--json"))
    assert found["songs"] == 3
    assert found["hours"] == pytest.approx(60 / 3600, abs=1e-3)
    assert found["bytes"] == built.stat().st_size
    assert int(str(found["postings"])) > int(str(found["peaks"])) > 500


def test_fingerprints_of_another_algorithm_are_counted_apart_and_made_anew(library: Path, tmp_path: Path) -> None:
    database = tmp_path / "index"
    run("build", database, library / "0.wav", library / "1.wav")
    with sqlite3.connect(database) as rows:
        rows.execute("UPDATE songs SET algorithm = 'peaks-0' WHERE path = ?", (os.fsencode(library / "0.wav"),))
    rows.close()
    (found,) = lines(run("stats", database, "--json"))
    assert (found["songs"], found["outdated_songs"]) == (1, 1)
    assert "1 songs added, 1 unchanged" in run("build", database, library / "0.wav", library / "1.wav").stdout


def test_songs_that_are_there_twice_are_shown_once(library: Path, tmp_path: Path) -> None:
    database = tmp_path / "index"
    copy = write(tmp_path / "copy.wav", 0.3 * tune(1, 20, RATE_HZ)[RATE_HZ:])
    run("build", database, *(library / f"{seed}.wav" for seed in range(3)), copy)
    (pair,) = lines(run("duplicates", database, "--json"))
    assert {pair["song"], pair["known"]} == {str(library / "1.wav"), str(copy)}
    assert pair["relation"] == "same_recording"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def copied(database: Path, folder: Path) -> Path:
    copy = folder / "music.db"
    copy.write_bytes(database.read_bytes())
    return copy


def test_a_damaged_index_beside_the_file_is_made_anew_and_that_is_said(
    built: Path, library: Path, tmp_path: Path
) -> None:
    database, folder = copied(built, tmp_path), tmp_path / "music.db.index"
    run("stats", database)
    (segment,) = folder.glob("*.segment")
    flip(segment)
    assert segment.name in run("verify", database).stderr
    clip = write(tmp_path / "clip.wav", tune(1, 20, RATE_HZ)[5 * RATE_HZ : 12 * RATE_HZ])
    asked = run("query", database, clip, "--json")
    assert "is made anew" in asked.stderr
    assert lines(asked)[0]["match"] == str(library / "1.wav")
    assert run("verify", database).exit_code == 0
    assert run("stats", database).stderr == ""


def test_a_kept_index_follows_its_file(built: Path, library: Path, tmp_path: Path) -> None:
    database = copied(built, tmp_path)
    run("stats", database)
    run("remove", database, library / "1.wav")
    with IndexFile(database, writable=True) as index_file:
        (_, song), *_ = index_file.fingerprints()
        index_file.put(library / "0.wav", Version(1, 2), song)
        index_file.put(library / "new.wav", Version(3, 4), song)
        with closing(ready_index(index_file, print)) as index:
            assert {song_id for song_id, _ in index.songs()} == set(index_file.identities())
            assert {found.song_id for found in index.compare("", song)} == {
                identity for identity in index_file.identities() if path_of(identity).name in ("0.wav", "new.wav")
            }
    (found,) = lines(run("stats", tmp_path / "music.db.index", "--json"))
    assert found["songs"] == 3


def test_a_snapshot_becomes_the_same_index_elsewhere(built: Path, library: Path, tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.wav", tune(2, 20, RATE_HZ)[5 * RATE_HZ : 12 * RATE_HZ])
    assert run("snapshot", built, tmp_path / "copy").exit_code == 0
    assert "is there already" in run("snapshot", built, tmp_path / "copy").stderr
    assert run("restore", tmp_path / "copy", tmp_path / "restored").exit_code == 0
    restored = run("query", tmp_path / "restored", clip, "--json")
    assert restored.stderr == ""
    assert lines(restored)[0]["match"] == str(library / "2.wav")
    assert names(tmp_path / "restored") == names(built)

    folder = built.with_name(f"{built.name}.index")
    assert run("snapshot", folder, tmp_path / "index alone").exit_code == 0
    (found,) = lines(run("stats", tmp_path / "index alone", "--json"))
    assert (found["songs"], found["segments"]) == (3, 1)
    (segment,) = (tmp_path / "copy").glob("*.segment")
    flip(segment)
    refused = run("restore", tmp_path / "copy", tmp_path / "never")
    assert (refused.exit_code, segment.name in refused.stderr) == (1, True)
    assert not (tmp_path / "never").exists()


def test_damage_of_the_fingerprints_themselves_is_found(built: Path, tmp_path: Path) -> None:
    database = copied(built, tmp_path)
    with sqlite3.connect(database) as rows:
        rows.execute("UPDATE songs SET fingerprint = substr(fingerprint, 1, 100) WHERE rowid = 2")
    rows.close()
    found = run("verify", database)
    assert (found.exit_code, "is damaged" in found.stderr) == (1, True)


def test_a_file_that_is_no_index_is_left_as_it_is(library: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8 a picture" * 1_000)
    for command, file in (("build", library / "0.wav"), ("query", library / "0.wav"), ("remove", "x")):
        result = run(command, photo, file)
        assert result.exit_code == 1
        assert "is not an index" in result.stderr
    assert photo.read_bytes().startswith(b"\xff\xd8 a picture")
    assert "there is no index" in run("query", tmp_path / "none", library / "0.wav").stderr


def test_a_database_of_another_program_is_left_as_it_is(library: Path, tmp_path: Path) -> None:
    database = tmp_path / "notes.db"
    with sqlite3.connect(database) as notes:
        notes.execute("CREATE TABLE songs (words TEXT)")
    notes.close()
    before = database.read_bytes()
    assert run("build", database, library / "0.wav").exit_code == 1
    assert database.read_bytes() == before
