"""What does a listener talk to in these tests? Streaming with real stores, bus and workers, behind the gateway."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from services.hosting import build
from shared.catalogue import SONGS, Library, LibraryEntry, Visibility
from shared.events import SongDeleted
from shared.runtime.app import Process, Runtime, web_app
from shared.runtime.settings import Settings

RATE_HZ = 44_100


def music(duration_s: float, seed: int = 1) -> NDArray[np.float32]:
    """Return stereo noise that is louder in its second half."""
    frames = round(duration_s * RATE_HZ)
    loudness = np.where(np.arange(frames) < frames // 2, 0.05, 0.2)[:, np.newaxis]
    samples: NDArray[np.float32] = (loudness * np.random.default_rng(seed).uniform(-1, 1, (frames, 2))).astype(
        np.float32
    )
    return samples


def told(events: httpx.Response) -> list[dict[str, Any]]:
    """Return what server-sent events say."""
    lines = events.text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


@dataclass(frozen=True)
class Listening:
    runtime: Runtime
    transport: httpx.ASGITransport
    folder: Path

    async def add_song(
        self, samples: NDArray[np.float32], title: str = "Song", *, owner: str = "", visibility: Visibility = "shared"
    ) -> str:
        """Put a song into the library as if it had been there before anything listened to it."""
        song_id = secrets.token_hex(8)
        path = self.folder / song_id
        await asyncio.to_thread(soundfile.write, path, samples, RATE_HZ, "PCM_16", format="WAV")
        entry = LibraryEntry(
            song_id,
            revision=3,
            owner=owner,
            visibility=visibility,
            title=title,
            artist="Somebody",
            duration_s=len(samples) / RATE_HZ,
            blob_key=f"songs/{song_id}",
            content_type="audio/wav",
        )
        await self.runtime.blobs.put(entry.blob_key, path, content_type=entry.content_type)
        await self.runtime.table(SONGS).put(entry.item())
        return song_id

    async def unshare(self, song_id: str) -> None:
        entry = await Library(self.runtime.table(SONGS)).get(song_id)
        assert entry is not None
        await self.runtime.table(SONGS).put(replace(entry, visibility="private").item())

    async def delete_song(self, song_id: str) -> None:
        await self.runtime.table(SONGS).put(LibraryEntry(song_id, revision=4, is_deleted=True).item())
        await self.runtime.bus.publish(SongDeleted(song_id=song_id, revision=4))

    async def blob_keys(self, prefix: str) -> list[str]:
        return [blob.key for blob in await self.runtime.blobs.list(prefix)]

    @asynccontextmanager
    async def new_listener(self) -> AsyncIterator[httpx.AsyncClient]:
        """Return a client of somebody with a fresh account."""
        account = {"username": f"listener-{secrets.token_hex(6)}", "password": secrets.token_urlsafe(12)}
        async with self._client() as client:
            await client.post("/v1/auth/signup", json=account)
        async with self._signed_in(account) as client:
            yield client

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[httpx.AsyncClient]:
        """Return a client of the person who runs the instance."""
        owner = json.loads((self.runtime.settings.data_dir / "owner.json").read_text())
        async with self._signed_in({name: owner[name] for name in ("username", "password")}) as client:
            yield client

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self.transport, base_url=self.runtime.settings.public_base(), timeout=30)

    @asynccontextmanager
    async def _signed_in(self, account: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
        async with self._client() as client:
            token = (await client.post("/v1/auth/login", json=account)).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield client


@pytest.fixture(scope="session")
async def listening(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Listening]:
    folder = tmp_path_factory.mktemp("listening")
    runtime, services = build(Settings(data_dir=folder / "data"), ["auth", "streaming", "gateway"])
    process = Process(runtime, services)
    app = web_app(process, runtime, services, title="Listening", version="0")
    async with process.lifespan(app):
        while not await process.is_ready():  # noqa: ASYNC110 - a process has no event for it
            await asyncio.sleep(0.05)
        yield Listening(runtime, httpx.ASGITransport(app), folder)


@pytest.fixture
async def listener(listening: Listening) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with a fresh account."""
    async with listening.new_listener() as client:
        yield client
