"""Whatever happens to songs, in any order: do counts, lists, words and library always tell of just these songs?"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from services.ingest.browsing import Browsing
from services.ingest.songs import Song, Status
from services.ingest.usage import Usage
from services.ingest.words import fold, words_of
from shared.catalogue import Library, Visibility
from shared.errors import Rejected, Unavailable
from shared.events import SongDeleted, SongFingerprinted, SongFingerprintFailed, Tags, UserDeleted
from shared.storage.tables import ConditionFailed
from tests.unit.ingest.instance import FORMAT, Ingest, person

NEXT = {
    "awaiting_upload": {"uploaded", "duplicate", "rejected", "deleted"},
    "uploaded": {"uploaded", "fingerprinted", "rejected", "deleted"},
    "fingerprinted": {"ready", "duplicate", "rejected", "deleted"},
    "ready": {"deleted"},
    "duplicate": {"deleted"},
    "rejected": {"deleted"},
    "deleted": set[str](),
}
UNDECIDED = ("awaiting_upload", "uploaded", "fingerprinted")
OWNERS = st.sampled_from(["ada", "eve", "bob"])
CONTENTS = st.sampled_from([b"one", b"two", b"six", b"ten"])
TITLES = st.sampled_from([None, "Alpha", "Alpha Beta", "Gamma"])
ARTISTS = st.sampled_from([None, "Air", "Aïr", "Air Two"])
VISIBILITIES: st.SearchStrategy[Visibility] = st.sampled_from(["private", "shared"])


class Life(RuleBasedStateMachine):
    """Songs of three people, and all that may happen to them, as often and as late as it likes."""

    songs: Bundle[str] = Bundle("songs")

    def __init__(self) -> None:
        super().__init__()
        self._stack = AsyncExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._runner = asyncio.Runner()
        opened = Ingest.open(self._folder, comparison_deadline_s=0.1)
        self.ingest = self._runner.run(self._stack.enter_async_context(opened))
        self._runner.run(self.ingest.table.create())
        self.contents: dict[str, bytes] = {}
        self.histories: dict[str, tuple[Any, ...]] = {}

    def teardown(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def do(self, action: Coroutine[Any, Any, Any]) -> None:
        with contextlib.suppress(Rejected, Unavailable, ConditionFailed):  # all that it may say
            self._runner.run(action)

    def song(self, song_id: str) -> Song:
        song = self._runner.run(self.ingest.store.find(song_id))
        assert song is not None
        return song

    # --- What people do ---

    @rule(target=songs, owner=OWNERS, content=CONTENTS, visibility=VISIBILITIES, steps=st.integers(0, 2))
    def register(self, owner: str, content: bytes, visibility: Visibility, steps: int) -> str:
        register = self.ingest.service.register(
            person(owner),
            file_name="a.flac",
            size_bytes=3,
            content_type="audio/flac",
            typed=Tags(),
            idempotency_key=None,
            visibility=visibility,
        )
        try:
            song = self._runner.run(register).song
        except Rejected:
            assert owner == "bob"  # who has left
            return ""
        self.contents[song.song_id] = content
        self.send(song.song_id, content)
        if steps > 0:
            self.complete(song.song_id)
        if steps > 1:
            self.fingerprinted(song.song_id, 0, song.song_id, is_heard=True)
        return song.song_id

    @rule(song_id=songs.filter(bool), content=CONTENTS)
    def send(self, song_id: str, content: bytes) -> None:
        key = self.song(song_id).upload_key
        self.do(self.ingest.blobs.put(key, content, content_type="audio/flac"))
        if self.song(song_id).content_sha256 is None:
            self.contents[song_id] = content

    @rule(song_id=songs.filter(bool))
    def complete(self, song_id: str) -> None:
        self.do(self.ingest.service.complete(person(self.song(song_id).owner), song_id))

    @rule(song_id=songs.filter(bool), title=TITLES, artist=ARTISTS, visibility=VISIBILITIES, asking=OWNERS)
    def edit(self, song_id: str, title: str | None, artist: str | None, visibility: Visibility, asking: str) -> None:
        typed = Tags(title=title, artist=artist)
        self.do(self.ingest.service.edit(person(asking, "admin"), song_id, typed, visibility))

    @rule(song_id=songs.filter(bool), asking=OWNERS)
    def delete(self, song_id: str, asking: str) -> None:
        self.do(self.ingest.service.delete(person(asking), song_id))

    @rule(owner=st.just("bob"))
    def leave(self, owner: str) -> None:
        self.do(self.ingest.service.on_user_deleted(UserDeleted(user_id=owner)))

    # --- What the pipeline tells, sometimes again, or late ---

    @rule(song_id=songs.filter(bool), age=st.integers(0, 2), like=songs, is_heard=st.sampled_from([True] * 5 + [False]))
    def fingerprinted(self, song_id: str, age: int, like: str, is_heard: bool) -> None:
        if not is_heard:
            self.ingest.unheard.add(song_id)
        elif like != song_id:
            self.ingest.sounds_like[song_id] = like
        event = SongFingerprinted(
            song_id=song_id,
            revision=max(1, self.song(song_id).revision - age),
            algorithm="peaks-1",
            peak_count=1000,
            duration_s=180.0,
            audio_format=FORMAT,
            tags=Tags(),
        )
        self.do(self.ingest.service.on_song_fingerprinted(event))
        self.ingest.unheard.discard(song_id)

    @rule(song_id=songs.filter(bool))
    def failed(self, song_id: str) -> None:
        event = SongFingerprintFailed(song_id=song_id, revision=2, code="silence", reason="it is silent")
        self.do(self.ingest.service.on_song_fingerprint_failed(event))

    @rule(song_id=songs.filter(bool))
    def ended(self, song_id: str) -> None:
        self.do(self.ingest.service.on_song_ended(SongDeleted(song_id=song_id, revision=9)))

    # --- What the sweeper does ---

    @rule(song_id=songs.filter(bool))
    def resume(self, song_id: str) -> None:
        self.do(self.ingest.service.resume(self.song(song_id)))

    @rule(song_id=songs.filter(bool))
    def abandon(self, song_id: str) -> None:
        song = self.song(song_id)
        if song.status is Status.AWAITING_UPLOAD:
            self.do(self.ingest.service.abandon(song))

    # --- What is always true ---

    @invariant()
    def only_allowed_steps_were_taken(self) -> None:
        for song_id in self.contents:
            history = tuple(self.song(song_id).history)
            earlier = self.histories.get(song_id, ())
            assert history[: len(earlier)] == earlier
            steps = ["awaiting_upload", *(change.status.value for change in history)]
            assert all(after in NEXT[before] for before, after in pairwise(steps)), steps
            self.histories[song_id] = history

    @invariant()
    def everything_tells_of_just_these_songs(self) -> None:
        songs = [self.song(song_id) for song_id in self.contents]
        live = [song for song in songs if song.status is not Status.DELETED]
        ready = [song for song in songs if song.status is Status.READY]
        with contextlib.closing(sqlite3.connect(self._folder / "tables.sqlite")) as database:
            stored: set[tuple[str, str]] = set(database.execute("SELECT pk, sk FROM songs"))

        def parts(beginning: str) -> set[tuple[str, str]]:
            return {(pk, sk) for pk, sk in stored if pk.startswith(beginning)}

        shared = {song.song_id for song in ready if song.visibility == "shared"}
        lists = {(f"songs#of#{song.owner}", song.song_id) for song in live}
        assert parts("songs#") == lists | {("songs#shared", song_id) for song_id in shared}
        words = {
            (f"words#{place}#{word[:2]}", f"{word}#{song.song_id}")
            for song in ready
            for place in ("shared", f"of#{song.owner}")
            for word in words_of(song.title, song.artist, song.album)
            if place != "shared" or song.song_id in shared
        }
        assert parts("words#") == words
        sorted_lists = {
            (f"sorted#{order}#{place}", song.song_id)
            for song in ready
            for order in ("title", "artist", "album")
            for place in ("shared", f"of#{song.owner}")
            if place != "shared" or song.song_id in shared
        }
        in_sorted_lists = [(pk, sk.rpartition("\x1f")[2]) for pk, sk in parts("sorted#")]
        assert sorted(in_sorted_lists) == sorted(sorted_lists)
        claims = Counter(song.content_sha256 for song in ready)
        assert parts("content#") == {(f"content#{sha256}", "content") for sha256 in claims}
        assert max(claims.values(), default=1) == 1
        deciding = {("undecided", song.song_id) for song in songs if song.status is Status.FINGERPRINTED}
        assert deciding <= parts("undecided")

    @invariant()
    def artists_and_albums_are_those_of_the_songs_that_somebody_sees(self) -> None:
        browsing = Browsing(self.ingest.table)
        songs = [self.song(song_id) for song_id in self.contents]
        for asking, groups in (("ada", browsing.artists), ("eve", browsing.albums)):
            seen = [song for song in songs if song.status is Status.READY and song.is_visible_to(asking)]
            found, _ = self._runner.run(groups(asking, beginning="", only_own=False, limit=200, cursor=None))
            counts = Counter(fold(song.artist) for song in seen)
            assert [(fold(one.artist), one.songs) for one in found] == sorted(counts.items())
            assert {one.artist for one in found} <= {song.artist for song in seen}

    @invariant()
    def usage_is_the_sum_over_songs(self) -> None:
        for owner in ("ada", "eve", "bob"):
            states = [song.status.value for song in map(self.song, self.contents) if song.owner == owner]
            jobs = sum(state in UNDECIDED for state in states)
            kept = jobs + states.count("ready")
            assert self._runner.run(self.ingest.store.usage(owner)) == Usage(kept, 3 * kept, jobs)

    @invariant()
    def library_has_the_songs_that_are_ready_with_the_bytes_that_were_completed(self) -> None:
        library = Library(self.ingest.table)
        for song in map(self.song, self.contents):
            entry = self._runner.run(library.get(song.song_id))
            assert (entry is not None) == (song.status is Status.READY)
            if entry is not None:
                assert (entry.title, entry.visibility, entry.owner) == (song.title, song.visibility, song.owner)
                assert self._runner.run(self.ingest.blobs.get(song.blob_key)) == self.contents[song.song_id]


Life.TestCase.settings = settings(max_examples=10, stateful_step_count=25)
TestLife = Life.TestCase
