"""How do many audio files get into the library, each straight to the store, whatever stops in the middle?"""

from __future__ import annotations

import asyncio
import mimetypes
import os
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from shared.errors import Rejected
from tunescout.answers import Registration, SingleUpload, Song, UploadRequest
from tunescout.client import Client

EXTENSIONS = frozenset(
    f".{name}"
    for name in (
        *("aac", "aif", "aiff", "alac", "ape", "flac", "m4a", "m4b", "mka", "mp2", "mp3", "mp4"),
        *("oga", "ogg", "opus", "wav", "webm", "wma", "wv"),
    )
)
"""Names that mean audio when a folder is walked. A file that is named itself is always tried."""

CHUNK_BYTES = 1 << 18
PARALLEL_PARTS = 3
SIGNATURES = 3
"""How often a file is registered, for fresh signed URLs, before the store's refusal is taken for its last word."""


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A file to import, with what its owner says about it beyond its own tags."""

    path: Path
    title: str | None = None
    artist: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the import of one file ended: with a song in a final status, or with an error."""

    file: AudioFile
    song: Song | None = None
    error: str | None = None

    @property
    def status(self) -> str:
        """The song's status, or ``failed``."""
        return self.song.status if self.song is not None and self.error is None else "failed"

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as one JSON object."""
        song = self.song.model_dump(mode="json") if self.song is not None else {}
        return {
            "file": os.fsdecode(self.file.path),
            "status": self.status,
            "song_id": song.get("id"),
            "title": song.get("title"),
            "artist": song.get("artist"),
            "rejection": song.get("rejection"),
            "duplicate": song.get("duplicate"),
            "error": self.error,
        }


class Watcher:
    """Is told what happens to each file, and remembers how each ended."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def started(self, file: AudioFile, size_bytes: int) -> None:
        """Learn that its first byte is about to go out."""

    def sent(self, file: AudioFile, sent_bytes: int) -> None:
        """Learn how many of its bytes have gone out."""

    def changed(self, file: AudioFile, song: Song) -> None:
        """Learn that the service is a step further with it."""

    def ended(self, outcome: Outcome) -> None:
        """Learn that nothing more happens to it."""
        self.outcomes.append(outcome)

    def summary(self) -> dict[str, int]:
        """Return how many files ended in which way."""
        ends = Counter(outcome.status for outcome in self.outcomes)
        return {"files": len(self.outcomes)} | {end: ends[end] for end in ("ready", "duplicate", "rejected", "failed")}


def audio_files(paths: Iterable[Path]) -> Iterator[AudioFile]:
    """Iterate over the named files and the audio files below the named folders, each once, folders in order of names.

    Hidden files and folders are left out unless named, and links to folders are not followed.
    """
    seen: set[Path] = set()
    for path in paths:
        for found in _walk(path) if path.is_dir() else [path]:
            real = found.resolve()
            if real not in seen:
                seen.add(real)
                yield AudioFile(found)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in EXTENSIONS and path.is_file():
                yield path


async def import_files(
    client: Client,
    files: Iterable[AudioFile],
    watcher: Watcher,
    *,
    parallel: int = 4,
    deadline_s: float = 900.0,
    visibility: str | None = None,
) -> None:
    """Import files, `parallel` at once; the watcher learns how each ended. One that fails does not stop the others.

    Parameters
    ----------
    client : Client
        Who imports, and where.
    files : iterable of AudioFile
        What to import.
    watcher : Watcher
        Told about progress.
    parallel : int
        Files on their way at the same time.
    deadline_s : float
        How long one file may take from its registration to its end, in seconds.
    visibility : str or None
        Who sees the songs: ``private`` or ``shared``; None for what the service has as its default.

    Raises
    ------
    Rejected
        Nobody is logged in.
    Unavailable
        The service stayed away.
    """
    waiting = iter(files)

    async def work() -> None:
        for file in waiting:
            watcher.ended(await _import(client, file, watcher, deadline_s, visibility))

    await _together(work() for _ in range(parallel))


async def _together(jobs: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all jobs; the first that fails, or being cancelled, ends the others too."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _import(
    client: Client, file: AudioFile, watcher: Watcher, deadline_s: float, visibility: str | None
) -> Outcome:
    latest: Song | None = None

    def changed(song: Song) -> None:
        nonlocal latest
        latest = song
        watcher.changed(file, song)

    try:
        async with asyncio.timeout(deadline_s):
            song = await _hand_over(client, file, watcher, visibility)
            changed(song)
            return Outcome(file, await client.follow(song.id, changed))
    except Rejected as refused:
        if refused.status == httpx.codes.UNAUTHORIZED:
            raise  # It concerns every file.
        return Outcome(file, latest, error=refused.reason)
    except TimeoutError:
        status = f"it is still {latest.status}" if latest else "its bytes are not all stored"
        return Outcome(file, latest, error=f"not done after {deadline_s:.0f} s: {status}")
    except (OSError, httpx.LocalProtocolError) as error:
        return Outcome(file, latest, error=f"cannot be read: {error}")


async def _hand_over(client: Client, file: AudioFile, watcher: Watcher, visibility: str | None) -> Song:
    """Register a file, store its bytes, complete it."""
    size_bytes = (await asyncio.to_thread(file.path.stat)).st_size
    fields = {
        "file_name": os.fsencode(file.path.name).decode(errors="replace"),
        "size_bytes": size_bytes,
        "content_type": _content_type(file.path),
        "title": file.title,
        "artist": file.artist,
        "visibility": visibility,
    }
    known = {name: value for name, value in fields.items() if value is not None}
    idempotency_key = str(uuid4())
    for attempt in range(1, SIGNATURES + 1):
        registration = await client.register(known, idempotency_key=idempotency_key)
        missing = list(_requests(registration, size_bytes))
        sent = _Sent(file, watcher, size_bytes)
        sent.add(size_bytes - sum(end - begin for _, begin, end in missing))
        try:
            await _together(_put(client, file.path, request, begin, end, sent) for request, begin, end in missing)
            break
        except Rejected:
            # Signed URLs expire; registering again with the same key gives new ones for the same song.
            if attempt == SIGNATURES:
                raise
    return await client.complete(registration.song.id)


def _content_type(path: Path) -> str | None:
    # Only a hint for players. What the file really is, the service finds out; what is no audio type it does not store.
    guessed = mimetypes.guess_type(path.name)[0] or ""
    return guessed if guessed.startswith("audio/") or guessed in ("video/mp4", "video/webm") else None


def _requests(registration: Registration, size_bytes: int) -> Iterator[tuple[UploadRequest, int, int]]:
    """Iterate over the requests that store what is missing of a file, with the range of bytes that each one carries."""
    if registration.upload is None:
        return
    if isinstance(registration.upload, SingleUpload):
        yield registration.upload.request, 0, size_bytes
        return
    begin = 0
    for part in sorted(registration.upload.parts, key=lambda part: part.number):
        if part.number not in registration.upload.arrived:
            yield part, begin, begin + part.size_bytes
        begin += part.size_bytes


class _Sent:
    """Counts the bytes of one file that have gone out, over all of its parts, and limits how many go at once."""

    def __init__(self, file: AudioFile, watcher: Watcher, size_bytes: int) -> None:
        self.slots = asyncio.Semaphore(PARALLEL_PARTS)
        self._file = file
        self._watcher = watcher
        self._bytes = 0
        watcher.started(file, size_bytes)

    def add(self, count_bytes: int) -> None:
        self._bytes += count_bytes
        self._watcher.sent(self._file, self._bytes)


async def _put(client: Client, path: Path, request: UploadRequest, begin: int, end: int, sent: _Sent) -> None:
    tried_bytes = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal tried_bytes
        sent.add(-tried_bytes)  # What an earlier try sent does not count.
        tried_bytes = 0
        file = await asyncio.to_thread(path.open, "rb")
        try:
            await asyncio.to_thread(file.seek, begin)
            while tried_bytes < end - begin:
                chunk = await asyncio.to_thread(file.read, min(CHUNK_BYTES, end - begin - tried_bytes))
                if not chunk:
                    raise OSError("it became shorter while it was read")
                yield chunk
                tried_bytes += len(chunk)
                sent.add(len(chunk))
        finally:
            file.close()

    def build() -> httpx.Request:
        # A store refuses a body of unknown length.
        headers = request.headers | {"Content-Length": str(end - begin)}
        return httpx.Request(request.method, request.url, headers=headers, content=body())

    async with sent.slots:
        await client.store(build)
