"""Does the index hold what was added last, whatever happens at the same time?"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher.index import Index
from services.matcher.parameters import MOST_CLIP_FRAMES
from tests.unit.recognition.fingerprints import excerpt, fingerprint_of, random_fingerprint, some_of

SONGS = {(song, revision): random_fingerprint(7 * song + revision, 20.0) for song in range(3) for revision in range(4)}
change = st.tuples(st.sampled_from(["add", "remove", "merge"]), st.integers(0, 2), st.integers(0, 3))


@settings(max_examples=30)
@given(st.lists(change, max_size=14))
def test_the_last_revision_wins_in_any_order(changes: list[tuple[str, int, int]]) -> None:
    index = Index()
    known: dict[int, tuple[int, str]] = {}
    for verb, song, revision in changes:
        if verb == "merge":
            index.merge()
            continue
        is_news = revision > known.get(song, (-1, ""))[0]
        if verb == "add":
            assert index.add(str(song), revision, SONGS[song, revision]) == is_news
        else:
            assert index.remove(str(song), revision) == is_news
        if is_news:
            known[song] = (revision, verb)

    present = {song: revision for song, (revision, verb) in known.items() if verb == "add"}
    assert index.song_count == len(present)
    for song in range(3):
        assert (str(song) in index) == (song in present)
        for revision in range(4):
            answers = [
                match.song_id for match in index.search(excerpt(SONGS[song, revision], 5, 10)) if match.is_answer
            ]
            assert answers == ([str(song)] if present.get(song) == revision else [])


def test_an_empty_index_knows_nothing() -> None:
    index = Index()
    index.merge()
    assert index.search(SONGS[0, 0]) == []
    assert index.compare("new", SONGS[0, 0]) == []
    assert index.stats().songs == 0


def test_a_fingerprint_without_landmarks_is_found_nowhere_and_harms_nothing() -> None:
    index = Index()
    lonely = fingerprint_of([(5, 400)])
    assert index.add("lonely", 0, lonely)
    index.add("song", 0, SONGS[0, 0])
    index.merge()
    assert index.search(lonely) == []
    assert index.compare("new", lonely) == []
    assert index.search(excerpt(SONGS[0, 0], 5, 5))[0].song_id == "song"


def test_fingerprints_of_another_algorithm_are_refused() -> None:
    foreign = replace(SONGS[0, 0], algorithm="peaks-0")
    index = Index()
    for use in (
        lambda: index.add("song", 0, foreign),
        lambda: index.search(foreign),
        lambda: index.compare("", foreign),
    ):
        with pytest.raises(ValueError, match="peaks-0"):
            use()
    assert "song" not in index


def test_merging_leaves_few_segments_and_every_song() -> None:
    index = Index()
    songs = [random_fingerprint(seed, 10.0) for seed in range(100)]
    for number, song in enumerate(songs):
        index.add(str(number), 1, song)
    for number in range(0, 100, 3):
        index.remove(str(number), 2)
    index.merge()
    index.merge()
    assert index.stats().segments <= 3
    assert index.stats().removed_parts == 0
    for number, song in enumerate(songs):
        found = [match.song_id for match in index.search(excerpt(song, 2, 5)) if match.is_answer]
        assert found == ([] if number % 3 == 0 else [str(number)])


@pytest.mark.parametrize("at_once", [1, 3])
def test_songs_that_come_a_few_at_a_time_stay_in_few_segments_without_a_merge(at_once: int) -> None:
    index = Index()
    songs = [(str(seed), 1, random_fingerprint(seed, 10.0)) for seed in range(60)]
    for first in range(0, len(songs), at_once):
        assert index.add_many(songs[first : first + at_once]) == at_once
    assert index.stats().segments <= 6
    for name, _, song in songs:
        assert index.search(excerpt(song, 2, 5))[0].song_id == name


def test_a_clip_is_found_everywhere_in_a_song_of_two_hours() -> None:
    index = Index()
    mix = random_fingerprint(1, 7_200.0)
    index.add("mix", 0, mix)
    index.add("other", 0, random_fingerprint(2, 200.0))
    for begin_s in (0.0, 1_044.0, 1_048.0, 3_600.0, 7_188.0):  # a part ends at 1048.6 s
        best = index.search(excerpt(mix, begin_s, 10.0))[0]
        assert (best.song_id, best.is_answer) == ("mix", True)
        assert best.offset_ms == pytest.approx(1_000 * begin_s, abs=16)


def test_a_clip_longer_than_can_be_searched_is_found_by_its_beginning() -> None:
    index = Index()
    mix = random_fingerprint(1, 7_200.0)
    index.add("mix", 0, mix)
    best = index.search(excerpt(mix, 1_200.0, 3_000.0))[0]
    assert best.offset_ms == pytest.approx(1_200_000, abs=16)
    assert best.clip_end_ms <= MOST_CLIP_FRAMES * 16


def test_chance_needs_more_proof_in_a_larger_catalogue() -> None:
    index = Index()
    song = random_fingerprint(1, 60.0)
    index.add("song", 0, song)
    noisy = excerpt(song, 20.0, 3.0)
    kept = np.random.default_rng(0).random(len(noisy.frames)) < 0.1
    faint = some_of(noisy, kept)
    alone, among_many = index.search(faint)[0], index.search(faint, catalogue_size=10**15)[0]
    assert alone.score == among_many.score
    assert alone.confidence > among_many.confidence
    assert (alone.is_answer, among_many.is_answer) == (True, False)


def test_two_songs_that_fit_equally_well_are_both_uncertain() -> None:
    index = Index()
    song = random_fingerprint(1, 60.0)
    index.add("song", 0, song)
    certain = index.search(excerpt(song, 20, 5))[0].confidence
    index.add("copy", 0, song)
    assert all(match.confidence < certain for match in index.search(excerpt(song, 20, 5)))


def test_songs_indexed_all_at_once_are_found_like_songs_that_were_added() -> None:
    songs = [(str(seed), random_fingerprint(seed, 30.0)) for seed in range(21)]
    added = Index()
    for name, song in songs:
        added.add(name, 0, song)
    at_once = Index.of_songs(songs, threads=3)
    added.merge()
    assert at_once.stats() == added.stats()
    for _, song in songs:
        assert at_once.search(excerpt(song, 5, 10)) == added.search(excerpt(song, 5, 10))
    assert at_once.remove("7", 1)
    assert at_once.add("21", 0, songs[7][1])
    assert at_once.search(excerpt(songs[7][1], 5, 10))[0].song_id == "21"
    assert Index.of_songs([], threads=2).search(excerpt(songs[0][1], 5, 10)) == []


def test_searches_go_on_while_songs_come_and_go_and_segments_are_merged_and_saved(tmp_path: Path) -> None:
    index = Index.open(tmp_path / "index")
    steady = random_fingerprint(1_000, 30.0)
    index.add("steady", 0, steady)
    clip = excerpt(steady, 10, 8)
    stopped = threading.Event()

    def search() -> int:
        searches = 0
        while not stopped.is_set() or not searches:
            assert index.search(clip)[0].song_id == "steady"
            assert [match.song_id for match in index.compare("new", steady)] == ["steady"]
            searches += 1
        return searches

    def merge() -> int:
        merges = 0
        while not stopped.is_set() or not merges:
            index.merge()
            index.save()
            merges += 1
        return merges

    passing = [random_fingerprint(seed, 20.0) for seed in range(5)]
    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(search), pool.submit(search), pool.submit(merge)]
        for round_ in range(150):
            index.add(f"passing {round_ % 5}", round_, passing[round_ % 5])
            if round_ % 3 == 0:
                index.remove(f"passing {(round_ + 2) % 5}", round_)
        stopped.set()
        assert all(worker.result() for worker in workers)

    index.merge()
    index.save()
    index.close()
    saved = Index.open(tmp_path / "index")
    assert dict(saved.songs()) == dict(index.songs())
    saved.close()
    for number, song in enumerate(passing):
        found = any(match.is_answer for match in saved.search(excerpt(song, 5, 10)))
        assert found == (f"passing {number}" in index)


def test_explained_answer_shows_peaks_of_the_clip_at_those_of_the_song_that_they_prove() -> None:
    index, song = Index(), SONGS[0, 0]
    index.add("song", 0, song)
    clip = excerpt(song, 5, 10)

    explained = index.search(clip, explain=True)[0]

    assert explained.model_copy(update={"aligned": None}) == index.search(clip)[0]
    assert explained.aligned is not None
    of_song, of_clip = explained.aligned.song, explained.aligned.clip
    assert all(of_song.is_common)
    assert len(of_song.times_ms) > 100
    assert set(zip(of_song.times_ms, of_song.frequencies_hz, strict=True)) <= set(
        zip(of_clip.times_ms, of_clip.frequencies_hz, strict=True)
    )
    assert 5_000 <= of_song.times_ms[0] < of_song.times_ms[-1] <= of_song.times_ms[0] + 6_100 <= 15_000

    assert index.search(random_fingerprint(9, 10.0), explain=True) == index.search(random_fingerprint(9, 10.0))
