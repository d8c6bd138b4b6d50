"""What does a browser get at the addresses of the gateway?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.gateway.web import web_routes
from shared.runtime.headers import ProtectiveHeaders
from shared.runtime.problems import install_problem_handlers

BROWSER = {"Accept": "text/html,*/*"}


def asking(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    for name in ("index.html", "theme.js", "assets/index-abc.js", "assets/index-abc.js.br", ".vite/manifest.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (tmp_path / "secret").write_text("secret")
    return folder


@pytest.fixture
async def client(built: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)
    app.post("/v1/songs")(lambda: "a song")
    app.include_router(web_routes(built))
    app.add_middleware(ProtectiveHeaders, bucket_origin="https://bucket.example", is_https=True)
    async with asking(app) as client:
        yield client


async def test_what_has_a_hash_in_its_name_is_kept_and_all_else_asked_for_again(
    client: httpx.AsyncClient,
) -> None:
    assert "immutable" in (await client.get("/assets/index-abc.js")).headers["cache-control"]
    assert (await client.get("/theme.js")).headers["cache-control"] == "no-cache"
    assert (await client.get("/")).headers["cache-control"] == "no-cache"


async def test_file_travels_compressed_to_whoever_can_read_it(client: httpx.AsyncClient) -> None:
    compressed = await client.get("/assets/index-abc.js", headers={"Accept-Encoding": "gzip, br"})
    plain = await client.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})

    assert compressed.headers["content-encoding"] == "br"
    assert "content-encoding" not in plain.headers
    assert compressed.headers["content-type"] == plain.headers["content-type"]
    assert compressed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"


async def test_browser_gets_the_page_at_every_address_that_is_not_of_the_api(client: httpx.AsyncClient) -> None:
    for path in ("/", "/account", "/songs/1", "/v1songs"):
        answer = await client.get(path, headers=BROWSER)
        assert (answer.status_code, answer.text) == (200, "index.html")
        assert "script-src 'unsafe" not in answer.headers["content-security-policy"]
        assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nothing", "/blobs/nothing", "/ready", "/openapi.json/x"])
async def test_api_keeps_its_problems(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers=BROWSER)

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert (await client.get("/v1/songs", headers=BROWSER)).status_code == 405


@pytest.mark.parametrize(
    "path", ["/%2e%2e/secret", "/assets/%2e%2e/%2e%2e/secret", "/.vite/manifest.json", "/assets//secret"]
)
async def test_nothing_hidden_and_nothing_outside_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_gateway_without_pages_says_how_to_build_them(tmp_path: Path) -> None:
    app = FastAPI()
    app.include_router(web_routes(tmp_path))

    async with asking(app) as client:
        answer = await client.get("/", headers=BROWSER)

    assert answer.status_code == 503
    assert "make web" in answer.text
