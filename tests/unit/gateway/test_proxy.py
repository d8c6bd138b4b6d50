"""What does a service behind the gateway learn of the client?"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from services.gateway.proxy import Proxy
from shared.runtime.limits import address_of
from shared.runtime.settings import ServiceUrls


@pytest.fixture
def behind() -> Iterator[str]:
    """A service that tells whom it believes to ask."""
    app = FastAPI()

    @app.get("/v1/auth/me")
    async def me(request: Request) -> str:
        return address_of(request)

    @app.post("/v1/auth/login")
    async def log_in(response: Response) -> None:
        response.set_cookie("one", "1")
        response.set_cookie("two", "2")

    @app.post("/v1/auth/refresh")
    async def refresh(request: Request) -> str | None:
        return request.headers.get("cookie")

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", forwarded_allow_ips="*"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


async def test_a_client_cannot_claim_to_be_elsewhere(behind: str) -> None:
    proxy = Proxy(ServiceUrls(auth=behind), hosted={"ingest", "streaming"})
    app = FastAPI()
    app.include_router(proxy.router)
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/v1/auth/me", headers={"X-Forwarded-For": "198.51.100.1, 198.51.100.2"})
    await proxy.close()

    assert answer.json() == "192.0.2.7"


async def test_cookies_reach_whom_they_are_for_and_nobody_else(behind: str) -> None:
    proxy = Proxy(ServiceUrls(auth=behind), hosted={"ingest", "streaming"})
    app = FastAPI()
    app.include_router(proxy.router)
    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as ada,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as eve,
    ):
        answer = await ada.post("/v1/auth/login")
        echoed = [(await one.post("/v1/auth/refresh")).json() for one in (ada, eve)]
    await proxy.close()

    assert answer.headers.get_list("set-cookie") == [
        "one=1; Path=/; SameSite=lax",
        "two=2; Path=/; SameSite=lax",
    ]
    assert echoed == ["one=1; two=2", None]
