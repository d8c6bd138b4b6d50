"""Does a segment hold exactly the landmarks of its songs?"""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher.evidence import indexed_peaks
from services.matcher.landmarks import song_landmarks
from services.matcher.merge import merged
from services.matcher.segment import LOW_BITS, PART_FRAMES, REMOVED, Segment, posting_range
from shared.fingerprint import Fingerprint
from tests.unit.recognition.fingerprints import fingerprint_of, fingerprints

Songs = list[Fingerprint]
songs = st.lists(fingerprints(), min_size=1, max_size=6)


def segments_of(songs: Songs) -> list[Segment]:
    return [Segment.of_song(str(n), 0, song_landmarks(song), song) for n, song in enumerate(songs)]


def contents(segment: Segment) -> list[tuple[int, int, int]]:
    """Return hash, song and frame of every posting, in the order of the segment."""
    hashes = np.repeat(np.arange(len(segment.starts) - 1), np.diff(segment.starts))
    if len(segment.lows):
        hashes = hashes << LOW_BITS | segment.lows
    parts = segment.postings >> 16
    frames = segment.begins[parts] + (segment.postings & 0xFFFF)
    songs = [int(segment.song_id(number)) for number in segment.songs[parts].tolist()]
    return list(zip(hashes.tolist(), songs, frames.tolist(), strict=True))


def brute_force(songs: Songs, kept: set[int] | None = None) -> list[tuple[int, int, int]]:
    return sorted(
        (int(hash_), number, int(anchor))
        for number, song in enumerate(songs)
        if kept is None or number in kept
        for landmarks in [song_landmarks(song)]
        for hash_, anchor in zip(landmarks.hashes, landmarks.anchors, strict=True)
    )


@given(songs)
def test_merging_is_the_same_as_building_anew(songs: Songs) -> None:
    assert contents(merged(segments_of(songs))) == brute_force(songs)


@given(songs, st.sets(st.integers(0, 5)))
def test_merging_forgets_removed_songs(songs: Songs, removed: set[int]) -> None:
    segments = [segment.without([0] if n in removed else []) for n, segment in enumerate(segments_of(songs))]
    whole = merged(segments)
    assert contents(whole) == brute_force(songs, set(range(len(songs))) - removed)
    assert REMOVED not in whole.songs


@settings(max_examples=4)
@given(songs, songs, st.data())
def test_a_directory_of_all_hashes_holds_the_same(songs: Songs, others: Songs, data: st.DataObject) -> None:
    large = merged(segments_of(songs), large=0)
    assert len(large.lows) == 0
    assert contents(large) == brute_force(songs)
    occurring = [hash_ for hash_, _, _ in brute_force(songs)]
    wanted = data.draw(st.sampled_from(occurring)) if occurring else data.draw(st.integers(2, 2**24 - 3))
    begin, end = posting_range(large.starts, large.lows, wanted)
    assert end - begin == sum(abs(hash_ - wanted) <= 1 for hash_ in occurring)
    both = [large, Segment.of_song("0", 0, song_landmarks(others[0]), others[0])]
    assert contents(merged(both)) == contents(merged([merged(segments_of(songs)), both[1]]))


@given(songs, st.integers(0, 400), st.integers(0, 400))
def test_peaks_between_two_frames_are_those_of_the_song_and_no_others(songs: Songs, begin: int, length: int) -> None:
    segment = merged(segments_of(songs))
    for part, number in enumerate(segment.songs.tolist()):
        song = songs[int(segment.song_id(number))]
        frames, peaks = segment.peaks(part, begin - 50, begin - 50 + length)
        inner = (song.frames >= max(begin - 50, 0)) & (song.frames < max(begin - 50 + length, 0))
        np.testing.assert_array_equal(frames, song.frames[inner])
        np.testing.assert_array_equal(peaks, indexed_peaks(song)[inner])


@given(songs, st.data())
def test_a_lookup_finds_all_gaps_that_are_at_most_one_frame_off(songs: Songs, data: st.DataObject) -> None:
    segment = merged(segments_of(songs))
    occurring = [hash_ for hash_, _, _ in brute_force(songs)]
    gap_off_by = data.draw(st.integers(-2, 2))
    wanted = data.draw(st.sampled_from(occurring)) + gap_off_by if occurring else data.draw(st.integers(2, 2**24 - 3))
    begin, end = posting_range(segment.starts, segment.lows, wanted)
    assert end - begin == sum(abs(hash_ - wanted) <= 1 for hash_ in occurring)


def test_a_song_longer_than_a_part_keeps_its_times() -> None:
    frames = [0, 30, PART_FRAMES - 15, PART_FRAMES + 15, 5 * PART_FRAMES, 5 * PART_FRAMES + 40, 450_000]
    song = fingerprint_of([(frame, 400 + 40 * place) for place, frame in enumerate(frames)])
    assert contents(segments_of([song])[0]) == brute_force([song])
    segment = segments_of([song])[0]
    for part in range(len(segment.rows)):
        np.testing.assert_array_equal(segment.peaks(part)[0], song.frames)
        around = segment.peaks(part, PART_FRAMES - 15, 5 * PART_FRAMES + 1)[0]
        assert around.tolist() == [PART_FRAMES - 15, PART_FRAMES + 15, 5 * PART_FRAMES]
