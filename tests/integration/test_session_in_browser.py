"""Does a real browser keep a session by its cookie, through the gateway, and no other page with it?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.async_api import Browser, Page, async_playwright

from deploy.local.chromium import chromium
from services.gateway.proxy import Proxy
from shared.runtime.settings import ServiceUrls
from tests.unit.auth.conftest import PASSWORD, serve

ASK = """async ([url, body]) => {
  const answer = await fetch(url, {
    method: "POST", credentials: "include", headers: { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  return [answer.status, await answer.text()];
}"""


@contextlib.asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:  # noqa: ASYNC110 - a server does not call
            await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """A gateway with a page, in front of auth."""
    async with running(serve(tmp_path).app) as behind:
        gateway, proxy = FastAPI(), Proxy(ServiceUrls(auth=f"http://127.0.0.1:{behind}"), {"ingest", "streaming"})
        gateway.get("/", response_class=HTMLResponse)(lambda: "<title>ours</title>")
        gateway.include_router(proxy.router)
        async with running(gateway) as port:
            yield port
        await proxy.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_browser_stays_signed_in_by_a_cookie_that_no_page_reads_or_borrows(
    browser: Browser, port: int, host: str
) -> None:
    auth, account = f"http://{host}:{port}/v1/auth", {"username": "ada", "password": PASSWORD}
    context = await browser.new_context()
    page, other = await context.new_page(), await context.new_page()
    await page.goto(f"http://{host}:{port}/")
    assert (await ask(page, f"{auth}/signup", account))[0] == 201

    status, answer = await ask(page, f"{auth}/login", account | {"session": "cookie"})
    assert (status, "refresh_token" in answer) == (200, False)
    [cookie] = await context.cookies([auth])
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"]) == (
        True,
        True,
        "Strict",
        "/v1/auth",
    )
    assert await page.evaluate("document.cookie") == ""
    for _ in range(2):
        assert (await ask(page, f"{auth}/refresh"))[0] == 200
    await page.reload()
    assert (await ask(page, f"{auth}/refresh"))[0] == 200

    foreign = FastAPI()
    foreign.get("/", response_class=HTMLResponse)(lambda: f'<form method="post" action="{auth}/refresh"></form>')
    async with running(foreign) as elsewhere:
        await other.goto(f"http://{host}:{elsewhere}/")  # the same site for cookies, which know no ports
        async with other.expect_navigation() as sent:
            await other.evaluate("document.forms[0].submit()")
        assert (await sent.value).status == 403
    assert (await ask(page, f"{auth}/refresh"))[0] == 200

    assert (await ask(page, f"{auth}/logout"))[0] == 204
    assert await context.cookies([auth]) == []
    assert (await ask(page, f"{auth}/refresh"))[0] == 401
    await context.close()


async def ask(page: Page, url: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    status, text = await page.evaluate(ASK, [url, body])
    return status, text
