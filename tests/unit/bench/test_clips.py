"""Are the same songs split and the same clips cut every time, from places that can be heard?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from bench.clips import COARSER, Clip, cut, degraded_clip, plan, repetitions
from bench.degrade import CONDITIONS
from bench.noises import SAMPLE_RATE_HZ
from bench.songs import Song, digest, overlapping, split
from services.fingerprint.constellation import fingerprint_song
from tunescout.synthesis import tune

TUNE = tune(4, 20.0, SAMPLE_RATE_HZ)
VOICES = tune(5, 4.0, SAMPLE_RATE_HZ)
SILENT = np.zeros(SAMPLE_RATE_HZ, np.float32)
digests = st.lists(st.text("0123456789abcdef", min_size=8, max_size=8), min_size=2, max_size=40, unique=True)


def songs(names: list[str]) -> list[Song]:
    return [Song(Path(f"/music/{name}.ogg"), name, 60.0) for name in names]


@given(digests, st.integers(0, 5))
def test_library_and_unknown_songs_are_disjoint_and_one_in_five_is_unknown(names: list[str], seed: int) -> None:
    divided = split(songs(names), {name: frozenset({name}) for name in names}, seed)
    library, unknown = ({song.digest for song in part} for part in (divided.known, divided.unknown))
    assert not library & unknown
    assert library | unknown == set(names)
    assert len(unknown) == max(1, round(0.2 * len(names)))


@given(digests, st.integers(0, 5))
def test_the_split_depends_on_content_alone(names: list[str], seed: int) -> None:
    alone = {name: frozenset({name}) for name in names}
    moved = [Song(Path(f"/elsewhere/{number}.mp3"), name, 60.0) for number, name in enumerate(reversed(names))]
    here, there = split(songs(names), alone, seed), split(moved, alone, seed)
    assert [song.digest for song in here.unknown] == [song.digest for song in there.unknown]


def test_copies_of_one_recording_are_found_and_never_unknown() -> None:
    samples = [tune(seed, 20.0, 8_000) for seed in range(3)]
    samples.append(0.3 * samples[0][4_000:])
    same_sound = overlapping({f"{number}": fingerprint_song(one) for number, one in enumerate(samples)})
    assert same_sound["0"] == same_sound["3"] == {"0", "3"}
    assert same_sound["1"] == {"1"}
    for seed in range(8):
        assert not {"0", "3"} & {song.digest for song in split(songs(list(same_sound)), same_sound, seed).unknown}


def test_names_and_places_of_files_do_not_count(tmp_path: Path) -> None:
    first, copy, other = (tmp_path / name for name in ("a.wav", "b.mp3", "c.wav"))
    first.write_bytes(b"music" * 1_000)
    copy.write_bytes(b"music" * 1_000)
    other.write_bytes(b"music" * 1_001)
    assert digest(first) == digest(copy) != digest(other)


def test_every_cell_has_its_clips_and_other_conditions_change_none_of_them() -> None:
    divided = split(
        songs([f"{number:02}" for number in range(10)]), {f"{n:02}": frozenset({f"{n:02}"}) for n in range(10)}, 1
    )
    clean, tempo = CONDITIONS["clean"], CONDITIONS["tempo+5%"]
    alone, both = (plan(divided, conditions, [10, 3], 4, 2, 1) for conditions in ([clean], [tempo, clean]))
    assert len(alone) == 2 * (4 + 2)
    assert len(both) == 3 * (4 + 2)  # changed tempo is asked about for 10 s alone
    assert [clip for clip in both if clip.condition == "clean"] == alone
    assert all(clip.is_known == (clip.song in divided.known) for clip in both)


def test_cut_clips_are_the_same_every_time_and_lie_where_they_say(tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    soundfile.write(path, TUNE, SAMPLE_RATE_HZ)
    song = Song(path, digest(path), 20.0)
    clips = [Clip(name, 3, number, song, True) for name in ("clean", "phone+5dB") for number in range(2)]
    (first, *others), again = (list(cut(clips, VOICES, tmp_path / name, 7, jobs=1)) for name in ("one", "two"))
    assert [one.path.read_bytes() for one in (first, *others)] == [one.path.read_bytes() for one in again]
    begin = round(first.begins_s[0] * SAMPLE_RATE_HZ)
    samples, sample_rate_hz = soundfile.read(first.path, dtype="float32")
    assert sample_rate_hz == SAMPLE_RATE_HZ
    np.testing.assert_allclose(samples, TUNE[begin : begin + len(samples)], atol=2**-14)


@pytest.mark.parametrize("seed", range(5))
def test_silent_places_are_not_cut(seed: int) -> None:
    samples = np.concatenate([TUNE[: 5 * SAMPLE_RATE_HZ], np.tile(SILENT, 30), TUNE])
    clip = Clip("clean", 3, 0, Song(Path("song.flac"), "digest", 55.0), True)
    degraded, _ = degraded_clip(samples, clip, SILENT, seed)
    assert np.abs(degraded).reshape(6, -1).max(axis=1).min() > 0.01


def test_a_loop_begins_wherever_it_is_repeated() -> None:
    once, other = tune(6, 8.0, SAMPLE_RATE_HZ // COARSER), tune(7, 8.0, SAMPLE_RATE_HZ // COARSER)
    looped = np.concatenate([once, other, once, 0.5 * once])
    assert repetitions(looped, 2.0, 5.0) == pytest.approx([18.0, 26.0], abs=0.01)
    assert repetitions(looped, 9.0, 5.0) == ()
