"""How is an answer shown to a person, when titles come from strangers?"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from tunescout.answers import Identification, Match, Song
from tunescout.importing import AudioFile, Outcome, Watcher

NOT_KNOWN = {
    "silence": "there is nothing to hear in it",
    "too_short": "it is too short to be sure: five seconds are enough",
    "unknown": "no song of this library sounds like it",
    "not_audio": "it is not a kind of audio that can be read",
    "damaged": "it is too damaged to be heard",
    "index_unavailable": "a part of the library did not answer in time",
    "timeout": "nothing answered in time",
}

WORTH_SHOWING = 0.05
"""Least confidence of an alternative that a person is told about."""

SEEN_BY = {"private": "owner", "shared": "all"}

STYLES = {"ready": "green", "duplicate": "yellow", "rejected": "red", "deleted": "red", "failed": "red"}


def printable(words: str) -> str:
    """Return text that cannot command a terminal: what controls it, or turns the writing around, becomes U+FFFD.

    Joiners stay, because scripts and emoji need them. Bytes of a file name that are not text become U+FFFD as well.
    """
    return "".join(
        "\ufffd" if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in "\u200c\u200d" else c
        for c in words
    )


def clock(duration_ms: float) -> str:
    """Return a time in a song as ``m:ss``."""
    minutes, seconds = divmod(max(0, int(duration_ms / 1000)), 60)
    return f"{minutes}:{seconds:02}"


def name_of(title: str | None, artist: str | None) -> str:
    """Return title and artist for the terminal."""
    return printable(" - ".join(part for part in (title or "untitled", artist) if part))


def identification(path: Path, heard: Identification) -> Text:
    """Return what was heard in a clip, in a few lines."""
    shown = Text(printable(path.name), style="bold")
    if heard.match is not None:
        shown.append("\n  ").append(name_of(heard.match.song.title, heard.match.song.artist), style="bold green")
        if heard.match.song.album:
            shown.append(f", {printable(heard.match.song.album)}")
        length = f" of {clock(heard.match.song.duration_ms)}" if heard.match.song.duration_ms else ""
        shown.append(f"\n  begins at {clock(heard.match.offset_ms)}{length}, ")
        shown.append(f"confidence {heard.match.confidence:.0%}, heard in {heard.took_ms:.0f} ms", style="dim")
    elif heard.outcome == "inconclusive":
        shown.append("\n  not sure", style="bold yellow")
        shown.append(f": only {heard.coverage:.0%} of the library answered; try again")
    else:
        shown.append("\n  not known", style="bold yellow")
        shown.append(f": {NOT_KNOWN.get(heard.reason or 'unknown', printable(heard.reason or ''))}")
    for other in (other for other in heard.alternatives if other.confidence >= WORTH_SHOWING):
        shown.append(f"\n  or {_alternative(other)}", style="dim")
    return shown


def _alternative(match: Match) -> str:
    name = name_of(match.song.title, match.song.artist)
    return f"{name} at {clock(match.offset_ms)}, confidence {match.confidence:.0%}"


def import_end(ended: Outcome) -> Text:
    """Return how one import ended, in a line."""
    shown = Text(f"{ended.status:>9}  ", style=STYLES.get(ended.status, ""))
    shown.append(printable(ended.file.path.name), style="bold")
    if ended.error is not None:
        shown.append(f"  {printable(ended.error)}")
    elif ended.song is not None and ended.song.rejection is not None:
        shown.append(f"  {printable(ended.song.rejection.reason)}")
    elif ended.song is not None and ended.song.duplicate is not None:
        shown.append(f"  {proof(ended.song)}")
    elif ended.song is not None:
        shown.append(f"  {name_of(ended.song.title, ended.song.artist)}", style="dim")
    return shown


def proof(song: Song) -> str:
    """Return why an upload is a duplicate, in words."""
    if song.duplicate is None:
        raise ValueError(f"song {song.id} is no duplicate")
    if song.duplicate.song_id is None:
        return "this recording is already known"
    known = name_of(song.duplicate.title, song.duplicate.artist)
    if song.duplicate.evidence == "bytes":
        return f"the very same file as {known}"
    relation = printable((song.duplicate.relation or "same recording").replace("_", " "))
    shown = f"sounds like {known}: {relation}"
    if song.duplicate.overlap is not None:
        shown += f", {song.duplicate.overlap:.0%} of it heard there"
    if song.duplicate.offset_ms is not None:
        shown += f", from {clock(song.duplicate.offset_ms)} on"
    return shown


def song_table(songs: list[Song]) -> Table:
    """Return songs as a table."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("title", "artist", "album", "length", "status", "seen by", "id"):
        table.add_column(column, no_wrap=column in {"length", "status", "seen by", "id"})
    for song in songs:
        table.add_row(
            Text(printable(song.title or song.file_name or "untitled")),
            Text(printable(song.artist or "")),
            Text(printable(song.album or "")),
            clock(1000 * song.duration_s) if song.duration_s else "",
            Text(song.status, style=STYLES.get(song.status, "")),
            SEEN_BY.get(song.visibility or "", ""),
            Text(printable(song.id), style="dim"),
        )
    return table


class ImportProgress(Watcher):
    """Shows an import while it runs: a bar for all files, one for each that is on its way, a line for each end."""

    def __init__(self, console: Console, files: int, *, show: Callable[[Outcome], bool] = lambda _: True) -> None:
        super().__init__()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._show = show
        self._tasks: dict[Path, TaskID] = {}
        self._files = files

    def __enter__(self) -> Self:
        self._progress.start()
        self._all = self._progress.add_task(self._headline(), total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def started(self, file: AudioFile, size_bytes: int) -> None:
        """Show a file that is on its way."""
        if file.path not in self._tasks:
            self._tasks[file.path] = self._progress.add_task(printable(file.path.name), total=size_bytes)

    def sent(self, file: AudioFile, sent_bytes: int) -> None:
        """Show how much of it has gone out."""
        self._progress.update(self._tasks[file.path], completed=sent_bytes)

    def changed(self, file: AudioFile, song: Song) -> None:
        """Show what the service is doing with it."""
        self._progress.update(self._tasks[file.path], description=printable(f"{file.path.name} ({song.status})"))

    def ended(self, outcome: Outcome) -> None:
        """Show how it ended."""
        super().ended(outcome)
        task = self._tasks.pop(outcome.file.path, None)
        if task is not None:
            self._progress.remove_task(task)
        self._progress.update(self._all, description=self._headline())
        if self._show(outcome):
            self._progress.console.print(import_end(outcome), soft_wrap=True)

    def _headline(self) -> str:
        return f"{len(self.outcomes)} of {self._files} files"
