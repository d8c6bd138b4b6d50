"""Does a process lose nothing while it starts, and let nobody in who should stay outside?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from pydantic import BaseModel
from starlette.types import Message, Receive, Scope, Send

from deploy.local.ports import free_block
from shared.errors import Rejected, Unavailable
from shared.events import UserRegistered
from shared.messaging.bus import Subscription
from shared.messaging.memory import MemoryBus
from shared.runtime.app import Observed, Process, Runtime, ServiceApp, web_app
from shared.runtime.bodies import JSON_BYTES
from shared.runtime.identity import ALGORITHM, TOKEN_TYPE, PublishedKeys
from shared.runtime.settings import Settings
from shared.storage.files import FolderStore
from shared.storage.sqlite import SqliteTable


class Word(BaseModel):
    text: str


def served(folder: Path, *services: ServiceApp, bus: MemoryBus | None = None) -> tuple[FastAPI, Process]:
    runtime = Runtime(
        settings=Settings(data_dir=folder),
        bus=bus or MemoryBus(None),
        blobs=FolderStore(folder / "audio", base_url="http://test", secret=bytes(16)),
        keys=PublishedKeys(None),
        open_table=lambda spec: SqliteTable(folder / "tables.sqlite", spec),
    )
    process = Process(runtime, services)
    return web_app(process, runtime, services, title="Test", version="0"), process


async def test_event_that_is_published_while_services_start_is_heard(tmp_path: Path) -> None:
    bus = MemoryBus(None)
    heard: asyncio.Queue[UserRegistered] = asyncio.Queue()
    hears = ServiceApp("hears", subscriptions=[Subscription(UserRegistered, heard.put, queue="hears.user-registered")])
    speaks = ServiceApp("speaks", start=lambda: bus.publish(UserRegistered(user_id="first")))
    app, process = served(tmp_path, speaks, hears, bus=bus)

    async with process.lifespan(app), asyncio.timeout(30):
        assert (await heard.get()).user_id == "first"


async def test_large_body_is_refused_before_it_is_held_in_memory(tmp_path: Path) -> None:
    router = APIRouter()

    @router.post("/words")
    async def say(word: Word) -> int:
        return len(word.text)

    app, _ = served(tmp_path, ServiceApp("words", router=router))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.post("/words", json={"text": "x" * 1000})).json() == 1000
        assert (await client.post("/words", json={"text": "x" * JSON_BYTES})).status_code == 413


@pytest.mark.parametrize(("wanted", "status"), [("bytes=9-", 416), ("songs=1-2", 400)])
async def test_what_the_framework_refuses_is_a_problem_too(tmp_path: Path, wanted: str, status: int) -> None:
    (tmp_path / "words").write_text("words")
    router = APIRouter()

    @router.get("/words")
    async def words() -> FileResponse:
        return FileResponse(tmp_path / "words")

    app, _ = served(tmp_path, ServiceApp("words", router=router))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/words", headers={"Range": wanted})

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers.get("content-range") == ("bytes */5" if status == 416 else None)


def forged_token() -> str:
    key = Ed25519PrivateKey.generate()
    return jwt.encode({"sub": "x"}, key, ALGORITHM, headers={"typ": TOKEN_TYPE, "kid": "other"})


async def test_process_that_signs_tokens_itself_trusts_no_other_key() -> None:
    with pytest.raises(Rejected) as refusal:
        await PublishedKeys(None).verify(forged_token())
    assert refusal.value.status == 401


async def test_nobody_is_signed_out_because_auth_is_away() -> None:
    keys = PublishedKeys(f"http://127.0.0.1:{free_block(1)}/v1/auth/keys")

    for _ in range(2):  # asked only the first time
        with pytest.raises(Unavailable):
            await keys.verify(forged_token())


async def test_request_that_is_still_served_when_the_process_must_stop_may_be_tried_again() -> None:
    reached, said = asyncio.Event(), list[Message]()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        reached.set()
        await asyncio.sleep(60)

    async def send(message: Message) -> None:
        said.append(message)

    request = {"method": "POST", "scheme": "http", "server": ("test", 80), "path": "/v1/songs", "query_string": b""}
    scope: Scope = {"type": "http", "client": None, "headers": [], **request}
    serving = asyncio.ensure_future(Observed(serve, lambda _: False)(scope, _no_body, send))
    await reached.wait()
    serving.cancel()
    await serving
    assert said[0]["status"] == 503
    assert b"please try again" in said[1]["body"]


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def test_nobody_is_led_to_the_host_that_a_request_names(tmp_path: Path) -> None:
    router = APIRouter()

    @router.get("/words")
    async def say() -> None: ...

    app, _ = served(tmp_path, ServiceApp("words", router=router))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answer = await client.get("/words/", headers={"Host": "evil.example"})

    assert (answer.status_code, "location" in answer.headers) == (404, False)


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("10.1.2.3", {}, 200),
        ("::ffff:10.1.2.3", {}, 200),
        ("::1", {}, 200),
        ("192.0.2.7", {}, 404),
        ("2001:db8::1", {}, 404),
        ("10.1.2.3", {"X-Forwarded-For": "192.0.2.7"}, 404),  # by a proxy that nobody has named
    ],
)
async def test_strangers_do_not_read_how_much_others_do(
    tmp_path: Path, address: str, headers: dict[str, str], status: int
) -> None:
    app, _ = served(tmp_path)
    transport = httpx.ASGITransport(app, client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/metrics", headers=headers)).status_code == status
