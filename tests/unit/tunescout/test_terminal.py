from __future__ import annotations

import io
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tunescout.answers import Song
from tunescout.terminal import clock, printable, proof, song_table


@given(st.text(st.characters()))
def test_no_text_commands_the_terminal(words: str) -> None:
    safe = printable(words)
    assert all(unicodedata.category(c) not in {"Cc", "Cs"} for c in safe)
    assert not set("\u202e\u2066\u2028") & set(safe)
    safe.encode()


def test_joined_emoji_stay_whole() -> None:
    assert printable("👩\u200d🎤 naïve") == "👩\u200d🎤 naïve"


def test_markup_in_a_title_is_shown_as_it_is() -> None:
    console = Console(file=io.StringIO(), width=200)
    console.print(song_table([Song(id="1", status="ready", title="[red]not red[/red] [/]\x1b[2J")]))
    shown = console.file.getvalue() if isinstance(console.file, io.StringIO) else ""
    assert "[red]not red[/red] [/]�[2J" in shown


def test_times_are_minutes_and_seconds() -> None:
    assert [clock(ms) for ms in (-40, 59_999, 3_661_000)] == ["0:00", "0:59", "61:01"]


def test_a_duplicate_of_a_song_that_one_may_not_see_is_told_without_it() -> None:
    nothing = dict.fromkeys(("song_id", "title", "artist", "evidence", "relation", "overlap", "offset_ms"))
    song = Song.model_validate({"id": "1", "status": "duplicate", "duplicate": nothing})
    assert proof(song) == "this recording is already known"
