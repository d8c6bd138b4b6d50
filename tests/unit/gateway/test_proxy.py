"""What does a service behind the gateway learn of the client?"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from urllib.parse import unquote

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from deploy.local.ports import free_block
from services.gateway.proxy import Proxy
from services.hosting import build
from shared.runtime.app import Observed
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
