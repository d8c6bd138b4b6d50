"""What can be done with music on this machine alone, without any service?

``tunescout index`` builds a file of fingerprints, names clips by it, and finds songs that are there twice.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from shared.errors import Rejected
from shared.fingerprint import ALGORITHM
from tunescout.console import FAILED, Json, err, explained, out, perform, print_json
from tunescout.importing import audio_files
from tunescout.index_file import IndexFile, Version, identity, path_of
from tunescout.terminal import NOT_KNOWN, clock, printable

if TYPE_CHECKING:  # the compiler of the search takes a second that no other command should wait for
    from services.matcher.index import Index
    from shared.events import Comparison, Match

app = typer.Typer(help="Recognise music on this machine alone, without any service.", no_args_is_help=True)

Database = Annotated[Path, typer.Argument(metavar="DB", help="The file that holds the fingerprints.")]
IndexPlace = Annotated[
    Path, typer.Argument(metavar="DB", help="The file that holds the fingerprints, or the folder of an index.")
]
Files = Annotated[
    list[str], typer.Argument(metavar="FILE", help="Audio files, folders of them, or @LIST: a file with a path a line.")
]
Jobs = Annotated[int, typer.Option(min=1, max=256, help="Files at the same time; one for each processor by default.")]
_PROCESSORS = os.cpu_count() or 1


@app.command()
def build(database: Database, files: Files, jobs: Jobs = _PROCESSORS) -> None:
    """Add songs, and hear again those that have changed; the index is made if there is none."""
    with explained():
        paths = [identity(path) for path in _named(files)]
        with IndexFile(database, writable=True) as index_file:
            refused = perform(_build(index_file, paths, jobs))
        _loaded(database)
    if refused:
        raise typer.Exit(FAILED)


async def _build(index_file: IndexFile, paths: Sequence[Path], jobs: int) -> int:
    """Keep the fingerprints of all songs that are not known as they are now, and return how many have none."""
    from tunescout.listening import Listeners, in_order

    begin, duration_s, added, refused = time.perf_counter(), 0.0, 0, 0

    def refuse(path: Path, reason: str) -> None:
        nonlocal refused
        refused += 1
        err.print(Text(printable(f"{path}: {reason}"), style="red"), soft_wrap=True)

    known, news = index_file.versions(), {}
    for path in paths:
        try:
            version = Version.of(path)
        except OSError as error:
            refuse(path, f"the file can't be read: {error.strerror}")
        else:
            if known.get(path) != version:
                news[path] = version
    unchanged = len(paths) - len(news) - refused
    with _progress(len(news)) as progress:
        async for path, heard in in_order(news, Listeners(jobs).song):
            if isinstance(heard.fingerprint, Rejected):
                refuse(path, heard.fingerprint.reason)
            else:
                index_file.put(path, news[path], heard.fingerprint)
                duration_s += heard.fingerprint.duration_s
                added += 1
            progress.advance(progress.task_ids[0])
    seconds = time.perf_counter() - begin
    words = f"{added} songs added, {unchanged} unchanged, {refused} refused"
    if added:
        words += f"; {duration_s / 3600:.2f} hours of music in {seconds:.1f} s, {duration_s / seconds:.0f} x real time"
    out.print(words, soft_wrap=True)
    return refused


@app.command()
def query(database: Database, files: Files, jobs: Jobs = _PROCESSORS, as_json: Json = False) -> None:
    """Name the song in each clip; with --json, one object a line, in the order of the clips."""
    with explained():
        perform(_query(database, list(_named(files)), jobs, as_json=as_json))


async def _query(database: Path, clips: Sequence[Path], jobs: int, *, as_json: bool) -> None:
    from tunescout.listening import Listeners, in_order

    listeners = Listeners(jobs)
    # The workers start and hear the first clips while the index is opened.
    loading = asyncio.create_task(asyncio.to_thread(_loaded, database))

    async def ask(path: Path) -> dict[str, Any]:
        heard = await listeners.clip(path)
        index = await loading
        if isinstance(heard.fingerprint, Rejected):
            return _answer(path, None, heard.seconds, heard.fingerprint)
        begin = time.perf_counter()
        matches = await asyncio.to_thread(index.search, heard.fingerprint, limit=1)
        best = matches[0] if matches else None
        seconds = heard.seconds + time.perf_counter() - begin
        return _answer(path, best, seconds, None)

    await loading
    with _progress(len(clips), shown=not out.is_terminal) as progress:
        async for _, answer in in_order(clips, ask):
            if as_json:
                print_json(answer)
            else:
                out.print(_in_words(answer), soft_wrap=True)
            progress.advance(progress.task_ids[0])


def _answer(clip: Path, best: Match | None, seconds: float, refused: Rejected | None) -> dict[str, Any]:
    """Return what is printed of one clip; the score is that of the likeliest song, whether it may be named or not."""
    answer: dict[str, Any] = {
        "query": os.fsdecode(clip),
        "match": None,
        "score": 0.0,
        "confidence": 0.0,
        "offset": None,
    }
    if best is not None:
        answer |= {"score": round(best.score, 3), "confidence": round(best.confidence, 4)}
    if best is not None and best.is_answer:
        answer |= {"match": os.fsdecode(path_of(best.song_id)), "offset": best.offset_ms / 1000}
        answer |= best.model_dump(include={"time_skew", "pitch_skew"})
    else:
        answer |= {"reason": refused.code if refused else "unknown"}
        if refused:
            answer["detail"] = refused.reason
    return answer | {"seconds": round(seconds, 4)}


def _in_words(answer: dict[str, Any]) -> Text:
    shown = Text(printable(answer["query"]), style="bold")
    if answer["match"] is None:
        shown.append("\n  not known", style="bold yellow")
        return shown.append(f": {printable(answer.get('detail') or NOT_KNOWN[answer['reason']])}")
    shown.append("\n  ").append(printable(answer["match"]), style="bold green")
    shown.append(f"\n  begins at {clock(1000 * answer['offset'])}, confidence {answer['confidence']:.0%}", style="dim")
    if abs(answer["time_skew"] - 1) > 0.005:
        shown.append(f", played at {answer['time_skew']:.1%} of its speed", style="dim")
    return shown


@app.command()
def remove(database: Database, files: Files) -> None:
    """Forget songs, or all songs below a folder; the files themselves may be gone."""
    with explained():
        removed = 0
        missed: list[Path] = []
        with IndexFile(_existing(database), writable=True) as index_file:
            for path in _listed(files):
                count = index_file.remove(identity(path))
                removed += count
                missed += [] if count else [path]
    for path in missed:
        err.print(Text(printable(f"{path}: not in the index"), style="red"), soft_wrap=True)
    out.print(f"{removed} songs removed")
    if missed:
        raise typer.Exit(FAILED)


@app.command()
def stats(database: IndexPlace, as_json: Json = False) -> None:
    """Show how much an index holds."""
    from tunescout import index_folder

    with explained():
        found = asdict(index_folder.stats(database)) if database.is_dir() else _totals(database)
    fields = found | {"algorithm": ALGORITHM}
    if as_json:
        print_json(fields)
    else:
        width = max(map(len, fields))
        out.print("\n".join(f"{name.replace('_', ' '):>{width}}  {value}" for name, value in fields.items()))


def _totals(database: Path) -> dict[str, int | float]:
    index = _loaded(database).stats()
    with IndexFile(database) as index_file:
        totals = index_file.totals()
    return {
        "songs": totals.songs,
        "outdated_songs": totals.outdated_songs,
        "hours": round(totals.duration_s / 3600, 4),
        "peaks": totals.peaks,
        "postings": index.postings,
        "bytes": totals.size_bytes,
        "bytes_per_song": round(totals.size_bytes / max(totals.songs, 1)),
        "index_bytes": index.disk_bytes,
        "index_bytes_per_posting": round(index.disk_bytes / max(index.postings, 1), 2),
    }


@app.command()
def verify(database: IndexPlace) -> None:
    """Read all of an index, and tell what is damaged."""
    from tunescout import index_folder

    with explained():
        found = index_folder.verify(database)
    for damage in found:
        err.print(Text(printable(damage), style="red"), soft_wrap=True)
    if found:
        raise typer.Exit(FAILED)
    out.print("nothing is damaged")


@app.command()
def snapshot(
    database: IndexPlace, folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder for the copy.")]
) -> None:
    """Copy an index as it is at one moment; others may use it meanwhile."""
    from tunescout import index_folder

    with explained():
        index_folder.snapshot(database, folder)
    out.print("copied, and the copy was read again")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `snapshot` has made.")],
    database: Annotated[Path, typer.Argument(metavar="DB", help="A new place for the index.")],
) -> None:
    """Make an index of a snapshot."""
    from tunescout import index_folder

    with explained():
        index_folder.restore(folder, database)
    out.print("copied, and the copy was read again")


@app.command()
def duplicates(database: Database, as_json: Json = False) -> None:
    """Show songs that are the same recording, or contain one another; with --json, one pair a line."""
    with explained():
        index = _loaded(database)
        with IndexFile(database) as index_file, _progress(index.song_count, shown=not out.is_terminal) as progress:
            told: set[frozenset[str]] = set()
            for identity, fingerprint in index_file.fingerprints():
                for found in index.compare(identity, fingerprint):
                    pair = frozenset((identity, found.song_id))
                    if pair not in told:
                        told.add(pair)
                        _tell_pair(path_of(identity), path_of(found.song_id), found, as_json=as_json)
                progress.advance(progress.task_ids[0])
    if not told and not as_json:
        out.print("no song is there twice")


def _tell_pair(song: Path, known: Path, found: Comparison, *, as_json: bool) -> None:
    if as_json:
        fields = found.model_dump(exclude={"song_id", "offset_ms", "aligned_hashes"})
        print_json({"song": os.fsdecode(song), "known": os.fsdecode(known), "offset": found.offset_ms / 1000} | fields)
        return
    relation = {"same_recording": "is the same recording as", "contained": "lies in", "contains": "contains"}
    shown = Text(printable(str(song)), style="bold")
    shown.append(f"\n  {relation[found.relation]} {printable(str(known))}")
    shown.append(f"\n  {found.overlap:.0%} of it heard there, {found.overlap_known:.0%} the other way", style="dim")
    out.print(shown, soft_wrap=True)


def _loaded(database: Path) -> Index:
    """Return the index of a file of fingerprints."""
    from services.matcher.index import warm_up
    from tunescout.index_folder import ready_index

    with IndexFile(database) as index_file:
        index = ready_index(index_file, lambda said: err.print(Text(printable(said), style="yellow"), soft_wrap=True))
    warm_up()
    return index


def _existing(database: Path) -> Path:
    if not database.is_file():
        raise Rejected("no_index", f"there is no index in {database}")
    return database


def _named(arguments: Sequence[str]) -> Iterator[Path]:
    """Iterate over the audio files that arguments name, each once."""
    for file in audio_files(_listed(arguments)):
        yield file.path


def _listed(arguments: Sequence[str]) -> Iterator[Path]:
    """Iterate over the paths among some arguments, and those in the lists among them."""
    for argument in arguments:
        if not argument.startswith("@"):
            yield Path(argument)
            continue
        try:
            lines = Path(argument[1:]).read_bytes().split(b"\n")
        except OSError as error:
            raise Rejected("unreadable", f"the list {argument[1:]} can't be read: {error.strerror}") from error
        yield from (Path(os.fsdecode(line)) for line in lines if line.strip())


@contextmanager
def _progress(files: int, *, shown: bool = True) -> Iterator[Progress]:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("files, left"), TimeRemainingColumn())
    disable = not (shown and err.is_terminal)
    with Progress(*columns, console=err, transient=True, redirect_stdout=False, disable=disable) as progress:
        progress.add_task("", total=files)
        yield progress
