"""What does Tune Scout do? It shows that itself, with real music and a service of its own, and checks every step."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.text import Text

from shared.errors import Rejected, Unavailable
from tunescout import demo_music, terminal
from tunescout.answers import Identification, Song
from tunescout.client import Client
from tunescout.clip import write_mp3, write_noisy_clip
from tunescout.demo_music import DemoMusic
from tunescout.importing import AudioFile, Outcome, Watcher, import_files
from tunescout.session import owner_account

HOST = "127.0.0.1"
CLIP_DURATION_S = 5.0
SNR_DB = 10.0
NOISE_SEED = 1
MP3_BIT_RATE = 96_000
OFFSET_TOLERANCE_MS = 250.0
"""Half of what people feel as wrong when they sing along."""

START_DEADLINE_S = 180.0
"""The first start on a machine compiles the search, which takes a while."""

STOP_DEADLINE_S = 30.0


@dataclass
class Report:
    """What the demo saw, and whether it was right."""

    facts: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return self.facts | {"right": not self.wrong, "wrong": self.wrong}


class Demo:
    """One run of the demo.

    Parameters
    ----------
    console : Console
        Where it speaks.
    data_dir : Path
        Data folder of the service.
    port : int
        Where the service listens.
    """

    def __init__(self, console: Console, data_dir: Path, port: int) -> None:
        self.console = console
        self.data_dir = data_dir
        self.port = port
        self.server = f"http://{HOST}:{port}"
        self.report = Report()

    async def run(self, music_folder: Path | None, *, stay: bool) -> Report:
        """Show everything; with `stay`, keep a service that the demo started until it is stopped.

        Raises
        ------
        Rejected
            The port belongs to another program, or the service cannot be used.
        Unavailable
            The service did not start, or went away.
        """
        async with self._service() as process, self._client() as client:
            await self._show(client, music_folder)
            self._say_what_next(stays=stay or process is None)
            if stay and process is not None:
                with contextlib.suppress(asyncio.CancelledError):
                    await process.wait()
                    raise Unavailable("the service has stopped")
        return self.report

    async def _show(self, client: Client, music_folder: Path | None) -> None:
        self._headline("Music")
        music = await asyncio.to_thread(demo_music.gather, music_folder)
        licence = f" (licence: {music.licence})" if music.licence else ""
        self._say(f"{len(music.songs)} songs of {terminal.printable(music.origin)}{licence}")
        self._say(f"{len(music.held_back)} songs that the library does not get")

        self._headline("Import")
        present = await self._fill(client, music)
        if not present:
            self._check(False, "no song reached the library")
            return
        chosen, song_id = present[len(present) // 2]
        with tempfile.TemporaryDirectory(prefix="tunescout-demo-") as folder:
            self._headline(f"Name a noisy clip of {CLIP_DURATION_S:.0f} s")
            await self._name_a_clip(client, chosen, song_id, Path(folder, "clip.wav"))
            self._headline("Music that is not in the library")
            for stranger in music.held_back:
                await self._stay_honest(client, stranger, Path(folder, "unknown.wav"))
            self._headline("The same song again, in another encoding")
            await self._refuse_a_copy(client, chosen, song_id, Path(folder))

    async def _fill(self, client: Client, music: DemoMusic) -> list[tuple[AudioFile, str]]:
        """Import the songs and return those that the library has, now or since an earlier run, with their ids."""
        with terminal.ImportProgress(self.console, len(music.songs)) as progress:
            await import_files(client, music.songs, progress)
        self.report.facts["import"] = progress.summary()
        self._check(not progress.summary()["failed"], "some songs could not be imported")
        ids = {outcome.file: song_id for outcome in progress.outcomes if (song_id := _library_id(outcome))}
        return [(file, ids[file]) for file in music.songs if file in ids]

    async def _name_a_clip(self, client: Client, file: AudioFile, song_id: str, clip: Path) -> None:
        true_offset_ms, heard = await self._ask(client, file, clip)
        self.report.facts["match"] = {"true_offset_ms": true_offset_ms} | heard.model_dump(mode="json")
        self.console.print(terminal.identification(clip, heard), soft_wrap=True)
        if heard.match is None or heard.match.song.id != song_id:
            self._check(False, f"that was not {file.path.name}")
            return
        error_ms = heard.match.offset_ms - true_offset_ms
        self._say(f"truly cut at {true_offset_ms:.0f} ms, found at {heard.match.offset_ms:.0f} ms")
        self._check(abs(error_ms) <= OFFSET_TOLERANCE_MS, f"the place is {error_ms:.0f} ms off")

    async def _stay_honest(self, client: Client, file: AudioFile, clip: Path) -> None:
        _, heard = await self._ask(client, file, clip)
        self.report.facts.setdefault("unknown", []).append(heard.model_dump(mode="json"))
        self.console.print(terminal.identification(file.path, heard), soft_wrap=True)
        self._check(heard.outcome == "no_match", f"{file.path.name} was not called unknown")

    async def _ask(self, client: Client, file: AudioFile, clip: Path) -> tuple[float, Identification]:
        """Cut a noisy clip and ask for its name; return where it was cut, in ms, and the answer."""
        begin_s = await asyncio.to_thread(
            write_noisy_clip, file.path, clip, duration_s=CLIP_DURATION_S, snr_db=SNR_DB, seed=NOISE_SEED
        )
        return 1000 * begin_s, await client.identify(await asyncio.to_thread(clip.read_bytes))

    async def _refuse_a_copy(self, client: Client, file: AudioFile, song_id: str, folder: Path) -> None:
        copy = folder / f"{file.path.stem}.mp3"
        await asyncio.to_thread(write_mp3, file.path, copy, bit_rate=MP3_BIT_RATE)
        watcher = Watcher()
        await import_files(client, [AudioFile(copy, "Another title")], watcher)
        (outcome,) = watcher.outcomes
        self.report.facts["copy"] = outcome.as_json()
        self.console.print(terminal.import_end(outcome), soft_wrap=True)
        self._check(_library_id(outcome) == song_id and _is_duplicate(outcome.song), "the copy was not refused")

    def _say_what_next(self, *, stays: bool) -> None:
        self._headline("Wrong" if self.report.wrong else "All as it should be")
        for wrong in self.report.wrong:
            self._say(wrong, style="red")
        if not stays:
            self._say("tunescout demo --stay keeps it running; tunescout serve starts it without the demo")
            return
        at = f" --server {self.server}" if self.port != 8000 else ""
        for name, what in {
            "the API": f"{self.server}/openapi.json",
            "the songs": f"tunescout songs{at}",
            "your music": f"tunescout import{at} FOLDER",
            "a clip": f"tunescout identify{at} FILE",
            "the account": str(self.data_dir / "owner.json"),
        }.items():
            self._say(f"{name:>11}  {what}")
        self._say("Ctrl-C stops it")

    @contextlib.asynccontextmanager
    async def _service(self) -> AsyncIterator[asyncio.subprocess.Process | None]:
        """Yield the service that the demo started, or None if one with this data folder was running already."""
        if await self._is_taken():
            await self._require_our_own()
            self._say(f"Tune Scout is running already at {self.server}")
            yield None
            return
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        log_path = self.data_dir / "demo.log"
        self._say(f"starting Tune Scout at {self.server}, with its data in {self.data_dir}")
        with log_path.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tunescout", "serve"),
                *("--host", HOST, "--port", str(self.port), "--data-dir", str(self.data_dir)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops the service in order.
            )
        try:
            await self._until_ready(process, log_path)
            yield process
        finally:
            await _stop(process)

    async def _until_ready(self, process: asyncio.subprocess.Process, log_path: Path) -> None:
        started = time.monotonic()
        async with httpx.AsyncClient(base_url=self.server, timeout=5.0) as http:
            while time.monotonic() - started < START_DEADLINE_S:
                if process.returncode is not None:
                    self._quote_end_of(log_path)
                    raise Unavailable(f"the service ended with status {process.returncode}, see {log_path}")
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get("/ready")).is_success:
                        self._say(f"ready after {time.monotonic() - started:.1f} s")
                        return
                await asyncio.sleep(0.2)
        raise Unavailable(f"the service was not ready after {START_DEADLINE_S:.0f} s, see {log_path}")

    def _quote_end_of(self, log_path: Path) -> None:
        for line in log_path.read_text(errors="replace").splitlines()[-12:]:
            self._say(terminal.printable(line), style="dim")

    async def _is_taken(self) -> bool:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(HOST, self.port), 5.0)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    async def _require_our_own(self) -> None:
        """Check that what listens on the port is a Tune Scout with this data folder: it knows its owner's password."""
        try:
            async with self._client() as client:
                await client.ask("GET", "/v1/songs", params={"limit": 1})
        except (Rejected, Unavailable, ValueError) as error:
            reason = f"another program uses port {self.port}: choose another one with --port"
            raise Rejected("port_taken", reason, status=409) from error

    def _client(self) -> Client:
        account = owner_account(self.data_dir)
        if account is None:
            raise Rejected("no_owner", f"there is no owner.json in {self.data_dir}", status=401)
        return Client(self.server, account=account)

    def _check(self, right: bool, otherwise: str) -> None:
        if not right:
            self.report.wrong.append(otherwise)

    def _headline(self, words: str) -> None:
        self.console.print()
        self.console.print(Text(words, style="bold cyan"))

    def _say(self, words: str, style: str = "") -> None:
        self.console.print(Text(words, style=style), soft_wrap=True)


def _library_id(outcome: Outcome) -> str | None:
    if outcome.song is None or outcome.error is not None:
        return None
    if outcome.song.duplicate is not None:
        return outcome.song.duplicate.song_id
    return outcome.song.id if outcome.song.status == "ready" else None


def _is_duplicate(song: Song | None) -> bool:
    return song is not None and song.status == "duplicate"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_DEADLINE_S)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
