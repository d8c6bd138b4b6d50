"""An auth service of the test's own, on a file of SQLite, behind its HTTP interface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from services.auth.main import build
from services.auth.store import ACCOUNTS
from shared.messaging.memory import MemoryBus
from shared.runtime.app import Process, Runtime, ServiceApp, web_app
from shared.runtime.identity import Asking, PublishedKeys, SignedIn, Uploader
from shared.runtime.settings import Settings
from shared.storage.files import FolderStore
from shared.storage.sqlite import SqliteTable
from shared.storage.tables import Table

PASSWORD = "a long pass phrase"


@dataclass(frozen=True, slots=True)
class Served:
    """One replica of auth, with routes beside it that stand for those of other services."""

    app: FastAPI
    runtime: Runtime

    @property
    def accounts(self) -> Table:
        return self.runtime.tables[ACCOUNTS.name]

    def client(self, address: str = "127.0.0.1") -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app, client=(address, 1)), base_url="http://test")


def others() -> APIRouter:
    router = APIRouter()

    @router.get("/read")
    async def read(_: SignedIn) -> str:
        return "read"

    @router.post("/write")
    async def write(_: SignedIn) -> str:
        return "written"

    @router.post("/identify")
    async def identify(_: Asking) -> str:
        return "named"

    @router.post("/upload")
    async def upload(_: Uploader) -> str:
        return "uploaded"

    return router


def serve(folder: Path, bus: MemoryBus | None = None) -> Served:
    runtime = Runtime(
        settings=Settings(data_dir=folder),
        bus=bus or MemoryBus(None),
        blobs=FolderStore(folder / "audio", base_url="http://test", secret=bytes(16)),
        keys=PublishedKeys(None),
        open_table=lambda spec: SqliteTable(folder / "tables.sqlite", spec),
    )
    services = [build(runtime), ServiceApp("others", router=others())]
    app = web_app(Process(runtime, services), runtime, services, title="Test", version="0")
    return Served(app, runtime)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Auth with nobody in it."""
    one = serve(tmp_path)
    yield one
    for table in one.runtime.tables.values():
        await table.close()


@pytest.fixture
async def client(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at 127.0.0.1."""
    async with served.client() as client:
        yield client


async def sign_up(client: httpx.AsyncClient, username: str, **more: Any) -> httpx.Response:
    return await client.post("/v1/auth/signup", json={"username": username, "password": PASSWORD, **more})


async def log_in(client: httpx.AsyncClient, username: str, password: str = PASSWORD) -> dict[str, Any]:
    answer = await client.post("/v1/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def newcomer(client: httpx.AsyncClient, username: str) -> dict[str, Any]:
    assert (await sign_up(client, username)).status_code == 201
    return await log_in(client, username)
