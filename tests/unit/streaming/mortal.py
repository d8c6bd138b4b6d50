"""Run streaming again and again: it dies like kill -9 in each of `PLACES`, then goes on until a song is packaged."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from services.streaming.main import build
from shared.events import Event, SongPackaged
from shared.messaging import outbox
from shared.messaging.memory import MemoryBus
from shared.runtime.app import Runtime
from shared.runtime.identity import PublishedKeys
from shared.runtime.settings import Settings
from shared.storage.files import FolderStore
from shared.storage.sqlite import SqliteTable

PLACES = ("downloaded", "encoding", "uploading", "described", "kept")
SECRET = bytes(16)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class MortalStore(FolderStore):
    place = "never"
    puts = 0

    async def download(self, key: str, target: Path) -> None:
        await super().download(key, target)
        if self.place == "downloaded":
            die()

    async def put(self, key: str, data: bytes | Path, *, content_type: str) -> None:
        await super().put(key, data, content_type=content_type)
        self.puts += 1
        if (self.place == "uploading" and self.puts == 5) or (self.place == "described" and key.endswith(".json")):
            die()


class MortalBus(MemoryBus):
    place = "never"

    async def publish(self, event: Event) -> None:
        if self.place == "kept" and isinstance(event, SongPackaged):
            die()
        await super().publish(event)
        if isinstance(event, SongPackaged):
            self.packaged.set()

    packaged = asyncio.Event()


def die_while_encoding() -> None:
    while not list(Path(tempfile.gettempdir()).glob("tunescout-*/package/0/00001.m4s")):
        time.sleep(0.002)
    die()


async def main(data: Path, place: str) -> None:
    settings = Settings(data_dir=data)
    blobs = MortalStore(data / "audio", base_url="http://test", secret=SECRET)
    bus = MortalBus(data / "events.sqlite")
    blobs.place = bus.place = place
    if place == "encoding":
        threading.Thread(target=die_while_encoding, daemon=True).start()
    runtime = Runtime(
        settings=settings,
        bus=bus,
        blobs=blobs,
        keys=PublishedKeys(None),
        open_table=lambda spec: SqliteTable(data / "tables.sqlite", spec),
    )
    streaming = build(runtime)
    await blobs.open()
    for table in runtime.tables.values():
        await table.create()
    await bus.connect()
    for subscription in streaming.subscriptions:
        await bus.subscribe(subscription)
    outbox.RELAY_PAUSE_S = outbox.RELAY_AGE_S = 0.1  # what a crash left behind is not old yet
    background = [asyncio.ensure_future(action()) for action in streaming.background]
    async with asyncio.timeout(60):
        await bus.packaged.wait()
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
    await bus.close()


def live_and_die(data: Path) -> None:
    """Say how each life ended. Lives are forked, because all that they import takes longer than what they do."""
    for place in (*PLACES, "never"):
        process_id = os.fork()
        if not process_id:
            os.environ["TMPDIR"] = tempfile.mkdtemp(dir=data)  # none must meet what another one left behind
            tempfile.tempdir = None
            asyncio.run(main(data, place))
            os._exit(0)
        _, status = os.waitpid(process_id, 0)
        sys.stdout.write(f"{place} {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
