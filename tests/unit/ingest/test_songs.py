"""What may become of a song?"""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.ingest.schemas import NewSong
from services.ingest.songs import Song, Status
from services.ingest.words import have_all, words_of
from shared.errors import Rejected
from shared.events import Tags


def new_song(typed: Tags | None = None, tags: Tags | None = None) -> Song:
    created_at = "2026-01-01T00:00:00+00:00"
    return Song("id", "owner", "song.mp3", 1000, "audio/mpeg", created_at, typed or Tags(), tags or Tags())


@given(st.sampled_from(["size_bytes", "year"]), st.booleans() | st.integers(1000, 9999).map(str))
def test_number_of_a_new_song_is_a_number(field: str, given: object) -> None:
    with pytest.raises(ValidationError, match="this is no number"):
        NewSong.model_validate({"file_name": "song.mp3", "size_bytes": 1000, field: given})


@given(st.lists(st.sampled_from(Status), max_size=12))
def test_revision_counts_every_step_and_no_end_is_left_but_by_deletion(wanted: list[Status]) -> None:
    song = new_song()
    for status in wanted:
        before = song
        try:
            song = song.becomes(status)
        except Rejected:
            continue
        assert song.revision == before.revision + 1
        assert song.history[-1].status is status
        if before.status.is_final:
            assert status is Status.DELETED


def test_song_reaches_the_library_only_through_a_fingerprint() -> None:
    uploaded = new_song().becomes(Status.UPLOADED)

    with pytest.raises(Rejected, match="cannot become ready"):
        uploaded.becomes(Status.READY)
    assert uploaded.becomes(Status.FINGERPRINTED).becomes(Status.READY).status is Status.READY


def test_what_was_typed_wins_and_unknown_stays_unknown() -> None:
    song = new_song(typed=Tags(title="Typed"), tags=Tags(title="Tagged", album_artist="Band", year=1999))

    assert (song.title, song.artist, song.album) == ("Typed", "Band", "")
    assert song.year == 1999


@pytest.mark.parametrize(
    ("file_name", "title"), [("03. Blue Hour.flac", "03. Blue Hour"), (".flac", ".flac"), ("x", "x")]
)
def test_song_without_a_title_is_called_as_its_file(file_name: str, title: str) -> None:
    assert dataclasses.replace(new_song(), file_name=file_name).title == title


def test_words_are_found_by_their_beginnings_without_case_and_accents() -> None:
    assert words_of("Señor Straße, señor!") == ["senor", "strasse"]
    assert have_all(words_of("Señor Straße"), words_of("SEN stra"))
    assert not have_all(words_of("Señor"), words_of("enor"))


@given(st.text())
def test_every_text_is_found_by_itself(text: str) -> None:
    assert have_all(words_of(text), words_of(" ".join(words_of(text))))
