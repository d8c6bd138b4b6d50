"""How are songs added, removed and searched, all at the same time?

The index is a log-structured merge tree in memory. Its state is a tuple of immutable segments. Whoever changes it
publishes another tuple; a search takes the one that it finds and needs no lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from services.matcher.comparison import Agreement, agreements, audible_seconds
from services.matcher.landmarks import song_landmarks
from services.matcher.scoring import answer_threshold, confidence
from services.matcher.search import Place, best_places
from services.matcher.segment import MOST_PARTS, Segment, merged
from shared.events import Comparison, Match
from shared.fingerprint import ALGORITHM, FRAME_RATE_HZ, Fingerprint

_SMALL = 64
"""Parts up to which segments are merged right when a song is added; `merge` takes care of larger ones."""

_TOO_MANY_REMOVED = 0.2
"""Share of removed parts from which on a segment is written anew."""


@dataclass(frozen=True, slots=True)
class IndexStats:
    """How large the index is."""

    songs: int
    segments: int
    postings: int
    removed_parts: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Song:
    song_id: str
    audible_s: int


class Index:
    """Songs that can be found by a clip, or by a whole song.

    `add` and `remove` are meant for one thread, `merge` for another, `search` and `compare` for any number of them.
    """

    def __init__(self) -> None:
        self._segments: tuple[Segment, ...] = ()
        self._songs: dict[int, _Song] = {}  # by number; a number is never used twice
        self._numbers: dict[str, int] = {}
        self._revisions: dict[str, int] = {}  # of removed songs too: a late addition must not bring them back
        self._next_number = 0
        self._writing = threading.Lock()
        self._merging = threading.Lock()
        self._claimed = 0  # leading segments that a merge is reading, and that nobody else may merge
        self._removed_meanwhile: list[int] = []

    @classmethod
    def of_songs(cls, songs: Iterable[tuple[str, Fingerprint]], *, threads: int) -> Index:
        """Return an index of many songs, each in revision 0: with several threads faster than to add one by one.

        Raises
        ------
        ValueError
            A fingerprint is of another algorithm.
        """

        def indexed(numbered: tuple[int, tuple[str, Fingerprint]]) -> tuple[_Song, Segment]:
            number, (song_id, fingerprint) = numbered
            landmarks = song_landmarks(_comparable(fingerprint))
            return _Song(song_id, audible_seconds(landmarks)), Segment.of_song(number, landmarks, fingerprint)

        index = cls()
        with ThreadPoolExecutor(threads) as pool:
            built = list(pool.map(indexed, enumerate(songs)))
            segments = [segment for _, segment in built]
            while len(segments) > 1 and sum(len(segment.songs) for segment in segments) <= MOST_PARTS:
                segments = list(pool.map(merged, (segments[i : i + 2] for i in range(0, len(segments), 2))))
        index._segments = tuple(segments)
        index._songs = {number: song for number, (song, _) in enumerate(built)}
        index._numbers = {song.song_id: number for number, song in index._songs.items()}
        index._revisions = dict.fromkeys(index._numbers, 0)
        index._next_number = len(built)
        index.merge()
        return index

    def add(self, song_id: str, revision: int, fingerprint: Fingerprint) -> bool:
        """Make a song findable; an older revision of it is replaced.

        Returns
        -------
        bool
            False where this or a newer revision is already known, also as removed: nothing has changed then.

        Raises
        ------
        ValueError
            The fingerprint is of another algorithm.
        """
        if revision <= self._revisions.get(song_id, -1):
            return False
        landmarks = song_landmarks(_comparable(fingerprint))
        with self._writing:
            number = self._next_number
            self._next_number += 1
            segments = self._without(song_id)
            segments += (Segment.of_song(number, landmarks, fingerprint),)
            while len(segments) - 2 >= self._claimed and _belong_together(*segments[-2:]):
                segments = (*segments[:-2], merged(segments[-2:]))
            self._songs[number] = _Song(song_id, audible_seconds(landmarks))
            self._numbers[song_id] = number
            self._revisions[song_id] = revision
            self._segments = segments
        return True

    def remove(self, song_id: str, revision: int) -> bool:
        """Make a song unfindable, and remember that: additions up to this revision are refused from now on.

        Returns
        -------
        bool
            False where this or a newer revision is already known: nothing has changed then.
        """
        if revision <= self._revisions.get(song_id, -1):
            return False
        with self._writing:
            self._revisions[song_id] = revision
            self._segments = self._without(song_id)
        return True

    def __contains__(self, song_id: str) -> bool:
        return song_id in self._numbers

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The present state, which later changes leave as it is."""
        return self._segments

    @property
    def song_count(self) -> int:
        """How many songs can be found."""
        return len(self._numbers)

    def search(self, clip: Fingerprint, *, limit: int = 5, catalogue_size: int | None = None) -> list[Match]:
        """Return the songs that a clip may be from, best first.

        Parameters
        ----------
        clip : Fingerprint
            At clip density; of a clip longer than 8 minutes only the beginning is searched.
        limit : int
            How many songs to return at most.
        catalogue_size : int, optional
            Songs in the whole catalogue, where this index holds a part of it: the more songs, the likelier is chance.

        Raises
        ------
        ValueError
            The fingerprint is of another algorithm.
        """
        size = self.song_count if catalogue_size is None else catalogue_size
        places = best_places(self._segments, _comparable(clip), answer_threshold(size))
        found = [(song, place) for place in places if (song := self._songs.get(place.number)) is not None]
        scores = [place.score for _, place in found]
        return [
            _match(song, place, max(scores[:rank] + scores[rank + 1 :][:1], default=0.0), size)
            for rank, (song, place) in enumerate(found[:limit])
        ]

    def compare(
        self, song_id: str, song: Fingerprint, *, among: Mapping[str, Fingerprint] | None = None
    ) -> list[Comparison]:
        """Return the songs that overlap with a whole new song, best first.

        Parameters
        ----------
        song_id : str
            The new song; it is never compared with itself.
        song : Fingerprint
            At song density.
        among : mapping of str to Fingerprint, optional
            Other songs to compare with, that need not be in the index.

        Raises
        ------
        ValueError
            A fingerprint is of another algorithm.
        """
        segments, songs = self._segments, self._songs
        _comparable(song)
        compared: dict[str, Agreement] = {}
        for segment in segments:
            for number, agreement in agreements(segment, song, songs).items():
                known = songs.get(number)
                if known is not None:  # it may be removed at this very moment
                    compared[known.song_id] = agreement
        for other_id, other in (among or {}).items():
            if other_id not in compared:
                other_landmarks = song_landmarks(_comparable(other))
                segment = Segment.of_song(0, other_landmarks, other)
                alone = {0: _Song(other_id, audible_seconds(other_landmarks))}
                for agreement in agreements(segment, song, alone).values():
                    compared[other_id] = agreement
        compared.pop(song_id, None)
        overlapping = [(other, found) for other, found in compared.items() if found.relation != "different"]
        overlapping.sort(key=lambda pair: (pair[1].relation != "same_recording", -pair[1].score))
        return [_comparison(other, agreement) for other, agreement in overlapping]

    def merge(self) -> None:
        """Merge segments so that few are left, and forget the removed songs. Meant for a background thread.

        Searches, additions and removals go on meanwhile. Every segment that is left is more than twice as large as all
        later ones together, so a posting is merged again only a logarithmic number of times.
        """
        with self._merging:
            with self._writing:
                old = self._segments
                self._claimed = len(old)
                self._removed_meanwhile = []
            try:
                new = _fewer(old)
            except BaseException:
                self._claimed = 0
                raise
            with self._writing:
                self._segments = (
                    *(segment.without(self._removed_meanwhile) for segment in new),
                    *self._segments[len(old) :],
                )
                self._claimed = 0

    def stats(self) -> IndexStats:
        """Return how large the index is."""
        segments = self._segments
        return IndexStats(
            songs=self.song_count,
            segments=len(segments),
            postings=sum(len(segment.postings) for segment in segments),
            removed_parts=sum(segment.removed_parts for segment in segments),
            size_bytes=sum(segment.size_bytes for segment in segments),
        )

    def _without(self, song_id: str) -> tuple[Segment, ...]:
        number = self._numbers.pop(song_id, None)
        if number is None:
            return self._segments
        del self._songs[number]
        self._removed_meanwhile.append(number)
        return tuple(segment.without((number,)) for segment in self._segments)


def warm_up() -> None:
    """Compile everything, so that the first question does not wait for it."""
    rng = np.random.default_rng(0)
    frames = np.arange(0, 1_000, 2, dtype=np.uint32)
    frequencies = rng.integers(80, 1_996, len(frames), dtype=np.uint16)
    levels = rng.integers(100, 200, len(frames), dtype=np.uint8)
    song = Fingerprint(ALGORITHM, 16.0, frames, frequencies, levels)
    index = Index()
    index.add("first", 0, song)
    index.add("second", 0, Fingerprint(ALGORITHM, 16.0, frames, frequencies[::-1].copy(), levels))
    index.merge()
    index.search(song)
    index.compare("other", song)


def _comparable(fingerprint: Fingerprint) -> Fingerprint:
    if fingerprint.algorithm != ALGORITHM:
        raise ValueError(f"a fingerprint of {fingerprint.algorithm!r} cannot be compared with {ALGORITHM!r}")
    return fingerprint


def _belong_together(larger: Segment, smaller: Segment) -> bool:
    return len(larger.songs) <= 2 * len(smaller.songs) and len(larger.songs) + len(smaller.songs) <= _SMALL


def _fewer(segments: tuple[Segment, ...]) -> list[Segment]:
    """Return the same songs in segments of which each is more than twice as large as all later ones together."""
    groups: list[list[Segment]] = []
    parts = 0
    for segment in reversed(segments):
        fits = groups and len(segment.songs) <= 2 * parts and parts + len(segment.songs) <= MOST_PARTS
        if fits:
            groups[-1].append(segment)
            parts += len(segment.songs)
        else:
            groups.append([segment])
            parts = len(segment.songs)
    return [_compacted(group[::-1]) for group in reversed(groups)]


def _compacted(group: list[Segment]) -> Segment:
    only = group[0]
    if len(group) == 1 and only.removed_parts <= _TOO_MANY_REMOVED * len(only.songs):
        return only
    return merged(group)


def _match(song: _Song, place: Place, rival_score: float, catalogue_size: int) -> Match:
    def milliseconds(frames: float) -> int:
        return round(1_000 * frames / FRAME_RATE_HZ)

    found = place.alignment
    return Match(
        song_id=song.song_id,
        score=place.score,
        confidence=confidence(place.score, rival_score, catalogue_size),
        is_answer=place.score >= answer_threshold(catalogue_size),
        offset_ms=milliseconds(found.offset),
        clip_begin_ms=milliseconds(found.first / place.warp.time),
        clip_end_ms=milliseconds(found.last / place.warp.time),
        song_begin_ms=milliseconds(found.offset + found.first),
        song_end_ms=milliseconds(found.offset + found.last),
        time_skew=place.warp.time,
        pitch_skew=place.warp.pitch,
        aligned_hashes=found.heard,
    )


def _comparison(song_id: str, agreement: Agreement) -> Comparison:
    return Comparison(
        song_id=song_id,
        relation=agreement.relation,
        score=agreement.score,
        overlap=agreement.overlap,
        overlap_known=agreement.overlap_known,
        offset_ms=round(1_000 * agreement.offset / FRAME_RATE_HZ),
        time_skew=agreement.speed,
        aligned_hashes=agreement.anchors,
    )
