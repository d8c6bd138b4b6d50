"""How do people bring music into a service that keeps failing? They try again, until each file has come to an end."""

from __future__ import annotations

import asyncio
import random
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import soundfile

from bench.listeners import SAMPLE_RATE_HZ
from shared.errors import Rejected, Unavailable
from tunescout.answers import Song
from tunescout.client import Client
from tunescout.importing import AudioFile, Outcome, Watcher, import_files
from tunescout.session import Account
from tunescout.synthesis import Samples, tune

FORMATS = ("flac", "ogg", "wav", "mp3")
SONG_S = 14.0
COPIES = 0.12
"""Share of the files that hold the same bytes as another one."""
ENCODINGS = 0.12
"""Share of the files that hold the same recording as another one, in another encoding."""
DELETED = 0.08
"""Share of the recordings that are deleted as soon as they are songs."""
PATIENCE_S = 60.0
FILE_DEADLINE_S = 300.0
RETRY_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording, and the files that hold it, which race for being its only song."""

    seed: int
    paths: tuple[Path, ...]
    is_deleted: bool


@dataclass(slots=True)
class Upload:
    """What became of a file, whose bytes were sent as often as it took.

    Attributes
    ----------
    accepted : set of str
        Songs whose upload the service has called complete.
    ended : Song or None
        The song in its final state, as its owner was told.
    """

    recording: Recording
    path: Path
    accepted: set[str] = field(default_factory=set)
    ended: Song | None = None
    is_deleted: bool = False
    attempts: int = 0


def recordings(files: int, folder: Path, seed: int) -> list[Recording]:
    """Return recordings of `files` files in all."""
    rng = random.Random(seed)
    made: list[Recording] = []
    left = files
    while left > 0:
        number = seed * 100_000 + len(made)
        first = folder / f"{number}-1.{rng.choice(FORMATS)}"
        chance = rng.random() * (1 - COPIES - ENCODINGS)
        paths = [first]
        if left > 1 and chance < COPIES:
            paths.append(first.with_name(f"{number}-2{first.suffix}"))
        elif left > 1 and chance < COPIES + ENCODINGS:
            other = rng.choice([name for name in FORMATS if name != first.suffix[1:]])
            paths.append(folder / f"{number}-2.{other}")
        made.append(Recording(number, tuple(paths), len(paths) == 1 and rng.random() < DELETED))
        left -= len(paths)
    return made


def samples_of(recording: Recording) -> Samples:
    """Return the sound of a recording."""
    return tune(recording.seed, SONG_S, SAMPLE_RATE_HZ)


def write(recording: Recording) -> None:
    """Write the files of a recording."""
    first, *others = recording.paths
    samples = samples_of(recording)
    soundfile.write(first, samples, SAMPLE_RATE_HZ)
    for path in others:
        if path.suffix == first.suffix:
            shutil.copyfile(first, path)
        else:
            soundfile.write(path, samples, SAMPLE_RATE_HZ)


class Uploaders:
    """Some people who upload at once.

    Parameters
    ----------
    url : str
        The gateway.
    people : int
        How many accounts.
    at_once : int
        Files on their way at the same time.
    """

    def __init__(self, url: str, *, people: int = 3, at_once: int = 8) -> None:
        self._url = url
        self._people = people
        self._slots = asyncio.Semaphore(at_once)
        self._stack = AsyncExitStack()
        self.clients: list[Client] = []
        self.uploads: list[Upload] = []
        self.complaints: Counter[str] = Counter()
        """What uploaders were told instead of being served, and how often."""

    async def open(self) -> None:
        """Make the accounts."""
        for _ in range(self._people):
            account = Account(self._url, f"uploader-{secrets.token_hex(6)}", secrets.token_urlsafe(12))
            client = await self._stack.enter_async_context(Client(self._url, account=account, patience_s=PATIENCE_S))
            await client.sign_up(account.username, account.password)
            self.clients.append(client)

    async def close(self) -> None:
        """Let the connections go."""
        await self._stack.aclose()

    async def upload(self, recordings: Sequence[Recording], *, seconds: float, seed: int) -> None:
        """Begin with the files one after the other in so many seconds, and bring all to their end."""
        order = list(recordings)
        random.Random(seed).shuffle(order)
        self.uploads = [Upload(recording, path) for recording in order for path in recording.paths]
        began_s = time.monotonic()

        async def one(number: int, upload: Upload) -> None:
            await asyncio.sleep(began_s + number * seconds / len(self.uploads) - time.monotonic())
            async with self._slots:
                await self._bring(self.clients[number % len(self.clients)], upload)

        await asyncio.gather(*(one(number, upload) for number, upload in enumerate(self.uploads)))

    async def _bring(self, client: Client, upload: Upload) -> None:
        while upload.ended is None:
            upload.attempts += 1
            outcome = await self._import(client, upload)
            if outcome is not None and outcome.error is None:
                upload.ended = outcome.song
            else:
                await asyncio.sleep(RETRY_PAUSE_S)
        while upload.recording.is_deleted and upload.ended.status == "ready" and not upload.is_deleted:
            try:
                await client.ask("DELETE", f"/v1/songs/{upload.ended.id}")
            except Unavailable as why:
                self.complaints[f"delete: {why.reason}"] += 1
            except Rejected as why:
                # A delete whose answer was lost finds nothing when it is tried again.
                upload.is_deleted = why.status == 404
                self.complaints[f"delete: {why.status} {why.code}: {why.reason[:80]}"] += 1
                await asyncio.sleep(RETRY_PAUSE_S)
            else:
                upload.is_deleted = True

    async def _import(self, client: Client, upload: Upload) -> Outcome | None:
        watcher = _Noting(upload)
        try:
            await import_files(client, [AudioFile(upload.path)], watcher, parallel=1, deadline_s=FILE_DEADLINE_S)
        except Unavailable as why:
            self.complaints[f"away: {why.reason}"] += 1
            return None
        except Rejected as why:
            self.complaints[f"{why.status} {why.code}: {why.reason[:80]}"] += 1
            return None
        outcome = watcher.outcomes[0]
        if outcome.error is not None:
            self.complaints[f"import: {outcome.error[:100]}"] += 1
        return outcome


class _Noting(Watcher):
    """Notes which songs were accepted."""

    def __init__(self, upload: Upload) -> None:
        super().__init__()
        self._upload = upload

    def changed(self, file: AudioFile, song: Song) -> None:
        self._upload.accepted.add(song.id)
