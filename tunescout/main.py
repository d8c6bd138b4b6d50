"""Which commands are there, and what does each one do and print?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import signal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from shared.errors import Rejected
from shared.runtime.settings import Settings
from tunescout import accounts, equalizing, offline, terminal
from tunescout.answers import Identification
from tunescout.console import FAILED, Json, err, explained, fail, out, perform, print_json, say
from tunescout.importing import Outcome, Watcher, audio_files, import_files
from tunescout.service import DataDir, Server, client_of, set_environment

LARGEST_CLIP_BYTES = 25_000_000
"""The service reads no more of a clip."""

app = typer.Typer(
    help="A private music service that knows its songs by sound.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
dead_letters = typer.Typer(help="Messages that no service could handle.", no_args_is_help=True)
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(offline.app, name="index")
app.command()(equalizing.equalize)
keys = typer.Typer(help="The keys that sign access tokens.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(accounts.api_keys, name="api-keys")
app.add_typer(accounts.users, name="users")


@app.command()
def serve(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="SERVICE", help="Which ones; all in one process if none is named."),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default=False)] = None,
    data_dir: DataDir = None,
) -> None:
    """Run the service."""
    set_environment(HOST=host, PORT=port, DATA_DIR=data_dir)
    # Imported here, because the compiler of the search takes a second that no other command should wait for.
    from services.hosting import run

    run(services or [])


@app.command(name="import")
def import_(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", exists=True, help="Audio files, or folders of them.")],
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Files on their way at the same time.")] = 4,
    deadline_s: Annotated[float, typer.Option("--deadline", min=1, help="Seconds that one file may take.")] = 900.0,
    shared: Annotated[
        bool | None,
        typer.Option("--shared/--private", help="Who sees the songs: all, or you alone.", show_default="the service's"),
    ] = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Upload audio files and show what becomes of each: a song, a duplicate with its proof, or a refusal."""
    files = list(audio_files(paths))
    if not files:
        fail("there is no audio file in it")
    watcher: Watcher = _PrintedLines() if as_json else terminal.ImportProgress(out, len(files))

    async def upload() -> None:
        async with client_of(server) as client:
            await import_files(
                client, files, watcher, parallel=parallel, deadline_s=deadline_s, visibility=_visibility(shared)
            )

    try:
        with watcher if isinstance(watcher, terminal.ImportProgress) else contextlib.nullcontext():
            perform(upload())
    finally:
        summary = watcher.summary()
        if as_json:
            print_json({"summary": summary})
        else:
            out.print(", ".join(f"{count} {end}" for end, count in summary.items() if end == "files" or count))
    if summary["rejected"] or summary["failed"]:
        raise typer.Exit(FAILED)


def _visibility(shared: bool | None) -> str | None:
    return None if shared is None else "shared" if shared else "private"


class _PrintedLines(Watcher):
    """Prints the end of each file as one line of JSON."""

    def ended(self, outcome: Outcome) -> None:
        super().ended(outcome)
        print_json(outcome.as_json())


@app.command()
def identify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Clips of music.")],
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Name the song in each clip, and where in the song it is from."""

    async def ask() -> bool:
        all_named = True
        async with client_of(server) as client:
            for path in files:
                try:
                    heard: Identification | Rejected = await client.identify(await asyncio.to_thread(_read_clip, path))
                except Rejected as refused:
                    if refused.status == 401:
                        raise
                    heard = refused
                _print_heard(path, heard, as_json=as_json)
                all_named = all_named and isinstance(heard, Identification) and heard.match is not None
        return all_named

    if not perform(ask()):
        raise typer.Exit(FAILED)


def _read_clip(path: Path) -> bytes:
    if path.stat().st_size > LARGEST_CLIP_BYTES:
        raise Rejected("too_large", f"a clip may have {LARGEST_CLIP_BYTES // 1_000_000} MB: cut out half a minute")
    return path.read_bytes()


def _print_heard(path: Path, heard: Identification | Rejected, *, as_json: bool) -> None:
    if isinstance(heard, Rejected):
        if as_json:
            print_json({"file": os.fsdecode(path), "error": {"code": heard.code, "reason": heard.reason}})
        else:
            out.print(Text(terminal.printable(f"{path.name}: {heard.reason}"), style="red"), soft_wrap=True)
    elif as_json:
        print_json({"file": os.fsdecode(path)} | heard.model_dump(mode="json"))
    else:
        out.print(terminal.identification(path, heard), soft_wrap=True)


@app.command()
def songs(
    query: Annotated[str | None, typer.Argument(help="Words in title, artist or album.", show_default=False)] = None,
    status: Annotated[str | None, typer.Option(help="Only songs in this status.", show_default=False)] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only your own.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 1000,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """List your songs and those that others share, newest first; with --json, one a line."""

    async def ask() -> list[Any]:
        found: list[Any] = []
        async with client_of(server) as client:
            own = "true" if mine else None
            async for song in client.songs(q=query, status=status, mine=own, limit=min(limit, 100)):
                found.append(song)
                if len(found) == limit:
                    break
        return found

    found = perform(ask())
    if as_json:
        for song in found:
            print_json(song.model_dump(mode="json"))
    elif found:
        out.print(terminal.song_table(found))
    else:
        out.print("no songs")


@app.command()
def share(
    song_ids: Annotated[list[str], typer.Argument(metavar="SONG...", show_default=False)],
    private: Annotated[bool, typer.Option("--private", help="The other way: keep them to yourself again.")] = False,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Let all who have an account find and hear songs of yours, by their ids."""

    async def ask() -> None:
        async with client_of(server) as client:
            for song_id in song_ids:
                song = await client.edit(song_id, visibility=_visibility(not private))
                words = f"{terminal.name_of(song.title, song.artist)} is {terminal.printable(song.visibility or '')}"
                say(song.model_dump(mode="json"), words, as_json=as_json)

    perform(ask())


@app.command()
def package(
    song_ids: Annotated[list[str] | None, typer.Argument(metavar="[SONG]...", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Every song of the library.")] = False,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Have songs made anew for adaptive streaming, by their ids. Whoever listens meanwhile is not disturbed."""

    async def ask() -> int:
        async with client_of(server) as client:
            chosen = [song.id async for song in client.songs(status="ready")] if every else song_ids or []
            for song_id in chosen:
                await client.package(song_id)
        return len(chosen)

    asked = perform(ask())
    say({"songs": asked}, f"{asked} songs will be packaged", as_json=as_json)


for command in (accounts.signup, accounts.login, accounts.logout, accounts.invite):
    app.command()(command)


@keys.command("rotate")
def rotate_keys(data_dir: DataDir = None) -> None:
    """Let the next key sign tokens; tokens of the one before stay good. Twice in ten minutes ends them early.

    A running service takes it over in seconds. Where TUNESCOUT_AUTH_SIGNING_KEY is set, its next value is printed
    instead: store it, and restart auth.
    """
    set_environment(DATA_DIR=data_dir)
    from services.hosting import rotate_keys as rotate

    with explained():
        rotated = rotate()
    if rotated is None:
        err.print("the next key signs from now on")
    else:
        typer.echo(rotated, nl=False)


@app.command()
def declare() -> None:
    """Make the tables, the bucket, the queues and their bindings before the services start."""
    from services.hosting import declare as declare_all

    perform(declare_all())


@dead_letters.command("list")
def list_dead_letters(
    queue: Annotated[str | None, typer.Option(help="Only those of one queue.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Show messages that no handler could finish, oldest first; with --json, one a line."""
    from services.hosting import open_bus

    async def ask() -> None:
        async with open_bus() as bus:
            letters = await bus.dead_letters(queue=queue, limit=limit)
        for letter in letters:
            body = letter.body.decode(errors="replace")
            died_at = letter.died_at.isoformat(timespec="seconds") if letter.died_at else None
            fields: dict[str, Any] = {"id": letter.id, "queue": letter.queue, "event": letter.event}
            fields |= {"reason": letter.reason, "deliveries": letter.deliveries, "died_at": died_at, "body": body}
            words = f"{died_at or ''}  {letter.queue}  {letter.event}  {letter.reason}  {letter.id}"
            say(fields, words, as_json=as_json)
        if not letters and not as_json:
            out.print("no dead letters")

    perform(ask())


@dead_letters.command("replay")
def replay_dead_letters(
    queue: Annotated[str | None, typer.Option(help="Only those of one queue.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="Replay at most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Send dead letters to the queues they died in, oldest first."""
    from services.hosting import open_bus

    async def ask() -> int:
        async with open_bus() as bus:
            return await bus.replay(queue=queue, limit=limit)

    replayed = perform(ask())
    say({"replayed": replayed}, f"{replayed} replayed", as_json=as_json)


@app.command()
def demo(
    stay: Annotated[bool, typer.Option("--stay", help="Keep the service running until Ctrl-C.")] = False,
    music: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="A folder of yours, instead of free music.", show_default=False
        ),
    ] = None,
    data_dir: DataDir = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the service.")] = 8000,
    as_json: Json = False,
) -> None:
    """Start the service, fill it with music and show what it can do; exit with 0 if all was right."""
    # Imported here, because decoders and synthesis take a second that no other command should wait for.
    from tunescout.demo import Demo

    set_environment(DATA_DIR=data_dir)
    shown = Demo(err if as_json else out, Settings().data_dir, port)

    async def show() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        await shown.run(music, stay=stay)

    try:
        perform(show())
    finally:
        if as_json:
            print_json(shown.report.as_json())
    if shown.report.wrong:
        raise typer.Exit(FAILED)


@app.command()
def version(as_json: Json = False) -> None:
    """Print the version."""
    from services.hosting import VERSION

    say({"version": VERSION, "python": platform.python_version()}, f"tunescout {VERSION}", as_json=as_json)
