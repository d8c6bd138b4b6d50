"""What does a service behind the gateway learn of the client?"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from structlog.testing import capture_logs
from uvicorn.server import ServerState

from deploy.local.ports import free_block
from services.gateway.proxy import Proxy
from services.hosting import build
from shared.runtime.app import Observed
from shared.runtime.connections import protocol
from shared.runtime.limits import address_of
from shared.runtime.problems import install_problem_handlers
from shared.runtime.settings import ServiceUrls, Settings


@pytest.fixture
def behind() -> Iterator[str]:
    """A service that tells whom it believes to ask."""
    app = FastAPI()

    @app.get("/v1/auth/me")
    async def me(request: Request) -> str:
        return address_of(request)

    @app.get("/v1/auth/headers")
    async def headers(request: Request, response: Response) -> dict[str, str]:
        response.set_cookie("one", "1, 2")
        response.set_cookie("two", "3")
        return dict(request.headers)

    @app.post("/v1/auth/login")
    async def log_in(response: Response) -> None:
        response.set_cookie("one", "1")
        response.set_cookie("two", "2")

    @app.post("/v1/auth/refresh")
    async def refresh(request: Request) -> str | None:
        return request.headers.get("cookie")

    @app.get("/v1/auth/paths/{path}")
    async def path(path: str) -> str:
        return path

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", forwarded_allow_ips="*"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@contextlib.asynccontextmanager
async def through_the_proxy(behind: str) -> AsyncIterator[httpx.AsyncClient]:
    proxy = Proxy(ServiceUrls(auth=behind), hosted={"ingest", "streaming"})
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(proxy.router)
    inner = app.build_middleware_stack()
    app.middleware_stack = Observed(inner, lambda address: address == "192.0.2.7")
    transport = httpx.ASGITransport(app, client=("192.0.2.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
    await proxy.close()


async def test_request_has_one_id_on_its_whole_way(behind: str) -> None:
    async with through_the_proxy(behind) as client:
        given = await client.get("/v1/auth/headers", headers={"X-Request-Id": "given-by-an-ingress"})
        made = await client.get("/v1/auth/headers", headers={"X-Request-Id": "<script>"})

    assert given.json()["x-request-id"] == given.headers["x-request-id"] == "given-by-an-ingress"
    assert made.json()["x-request-id"] == made.headers["x-request-id"] != "<script>"


async def test_headers_of_both_sides_arrive_as_they_are(behind: str) -> None:
    async with through_the_proxy(behind) as client:
        answer = await client.get("/v1/auth/headers", headers=[(b"X-Title", "Für Elise".encode())])

    assert answer.json()["x-title"] == "Für Elise".encode().decode("latin-1")
    assert len(answer.headers.get_list("set-cookie")) == 2


async def test_headers_of_one_connection_end_with_it(behind: str) -> None:
    async with through_the_proxy(behind) as client:
        sent = {"Connection": "close, X-Hop", "X-Hop": "1", "Proxy-Authorization": "Basic Og=="}
        answer = await client.get("/v1/auth/headers", headers=sent)

    assert {"x-hop", "proxy-authorization"}.isdisjoint(answer.json())
    assert answer.json()["connection"] == "keep-alive"


async def test_service_itself_says_what_may_be_asked_of_it(behind: str) -> None:
    async with through_the_proxy(behind) as client:
        answer = await client.head("/v1/auth/login")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_no_proxy_of_the_machine_is_between_us_and_a_service(
    behind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_block(1)}")
    async with through_the_proxy(behind) as client:
        assert (await client.get("/v1/auth/me")).status_code == 200


@pytest.mark.parametrize("path", ["%00", "%ff", "a%20b%3Fc", "%C3%BC%25"])
async def test_path_arrives_as_it_is(behind: str, path: str) -> None:
    async with through_the_proxy(behind) as client:
        answer = await client.get(f"/v1/auth/paths/{path}?q=%00&q=a%26b")

    assert answer.json() == unquote(path)


async def test_service_that_is_away_is_a_problem_that_passes() -> None:
    async with through_the_proxy(f"http://127.0.0.1:{free_block(1)}") as client:
        answer = await client.get("/v1/auth/me")

    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "retry-after" in answer.headers


async def test_answer_that_breaks_off_is_one_line_in_the_log_and_seen_by_the_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        writer.close()

    behind = await asyncio.start_server(die, "127.0.0.1", 0)
    proxy = Proxy(ServiceUrls(auth=f"http://127.0.0.1:{port_of(behind)}"), hosted={"ingest", "streaming"})
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(proxy.router)
    config = uvicorn.Config(app, log_config=None)
    config.load()
    connect: Any = protocol(lambda _: False)
    served = partial(connect, config=config, server_state=ServerState(), app_state={})
    gateway = await asyncio.get_running_loop().create_server(served, "127.0.0.1", 0)
    with capture_logs() as said:
        async with asyncio.timeout(30), httpx.AsyncClient() as client:
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                await client.get(f"http://127.0.0.1:{port_of(gateway)}/v1/auth/me")

    assert [line["event"] for line in said] == ["answer.broken"]
    assert not caplog.records
    await proxy.close()
    for server in (gateway, behind):
        server.close()
        await server.wait_closed()


def port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


async def test_a_client_cannot_claim_to_be_elsewhere(behind: str) -> None:
    async with through_the_proxy(behind) as client:
        answer = await client.get("/v1/auth/me", headers={"X-Forwarded-For": "198.51.100.1, 198.51.100.2"})

    assert answer.json() == "192.0.2.7"


async def test_every_operation_reaches_the_service_that_answers_it() -> None:
    _, services = build(Settings(), ["auth", "streaming", "ingest"])
    nowhere = f"http://127.0.0.1:{free_block(1)}"
    proxy = Proxy(ServiceUrls(auth=nowhere, streaming=nowhere, ingest=nowhere), hosted={"gateway"})
    gateway = FastAPI()
    install_problem_handlers(gateway)
    gateway.include_router(proxy.router)
    transport = httpx.ASGITransport(gateway)

    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for service in services:
            assert service.router is not None
            one = FastAPI()
            one.include_router(service.router)
            for path, methods in one.openapi()["paths"].items():
                for method in methods:
                    answer = await client.request(method, path)
                    assert f"the {service.name} service does not answer" in answer.json()["detail"], (method, path)
    await proxy.close()
