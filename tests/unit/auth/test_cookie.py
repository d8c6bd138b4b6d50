"""Does a browser stay signed in by a cookie that no script reads and no other page uses?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import httpx
import pytest

from services.auth.cookie import NAME
from tests.unit.auth.conftest import PASSWORD, Served, bearer, sign_up

LOGIN = {"username": "ada", "password": PASSWORD, "session": "cookie"}
OWN = {"Sec-Fetch-Site": "same-origin", "Origin": "https://test"}


@pytest.fixture
async def browser(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    """What keeps cookies and is at this server's own page, where somebody has signed in."""
    transport = httpx.ASGITransport(served.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://test", headers=OWN) as browser:
        await sign_up(browser, "ada")
        assert (await browser.post("/v1/auth/login", json=LOGIN)).status_code == 200
        yield browser


def cookie_of(answer: httpx.Response) -> tuple[str, dict[str, str]]:
    [cookie] = SimpleCookie(answer.headers["set-cookie"]).values()
    return cookie.value, {name: value for name, value in cookie.items() if value}


async def test_a_browser_gets_its_refresh_token_in_a_cookie_alone(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/v1/auth/login", json=LOGIN)
    token, attributes = cookie_of(answer)

    assert set(answer.json()) == {"access_token", "token_type", "expires_in_s"}
    assert token not in answer.text
    expected = {"httponly": True, "secure": True, "samesite": "strict", "path": "/v1/auth", "max-age": "2592000"}
    assert attributes == expected
    assert answer.headers["set-cookie"].startswith(f"{NAME}=")


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"json": {"refresh_token": None}}])
async def test_a_browser_goes_on_with_its_cookie(browser: httpx.AsyncClient, body: dict[str, object]) -> None:
    first = browser.cookies[NAME]
    answer = await browser.post("/v1/auth/refresh", **body)  # type: ignore[arg-type]  # what httpx takes

    assert set(answer.json()) == {"access_token", "token_type", "expires_in_s"}
    assert (await browser.get("/read", headers=bearer(answer.json()))).status_code == 200
    assert browser.cookies[NAME] != first
    assert (await browser.post("/v1/auth/refresh")).status_code == 200

    reused = await browser.post("/v1/auth/refresh", json={"refresh_token": first})
    assert (reused.status_code, (await browser.post("/v1/auth/refresh")).status_code) == (401, 401)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
        {"Sec-Fetch-Site": "", "Origin": "http://127.0.0.1:8001"},
    ],
)
async def test_a_page_of_somebody_else_makes_no_use_of_the_cookie(
    browser: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    attempts = [
        await browser.post("/v1/auth/refresh", headers=headers),
        await browser.post("/v1/auth/logout", headers=headers),
        await browser.post("/v1/auth/login", json=LOGIN, headers=headers),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in attempts] == [(403, "cross_site")] * 3
    assert (await browser.post("/v1/auth/refresh")).status_code == 200


@pytest.mark.parametrize(("body", "status"), [({}, 403), ({"json": {"refresh_token": "a.b.c"}}, 204)])
async def test_a_page_of_somebody_else_takes_no_cookie_away(
    browser: httpx.AsyncClient, body: dict[str, object], status: int
) -> None:
    browser.cookies.clear()  # as `SameSite` has it; the answer would reach the browser all the same
    answer = await browser.post("/v1/auth/logout", headers={"Sec-Fetch-Site": "cross-site"}, **body)  # type: ignore[arg-type]  # what httpx takes

    assert (answer.status_code, "set-cookie" in answer.headers) == (status, False)


@pytest.mark.parametrize("origin", [{}, {"Origin": "http://127.0.0.1:8000"}])
async def test_clients_that_tell_less_are_let(browser: httpx.AsyncClient, origin: dict[str, str]) -> None:
    for name in OWN:
        del browser.headers[name]

    assert (await browser.post("/v1/auth/refresh", headers=origin)).status_code == 200


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", f"{'a' * 3000}.{'b' * 3000}.c", "\xfc.\xfc.\xfc"])
async def test_what_is_no_refresh_token_is_refused_in_a_cookie_too(served: Served, token: str) -> None:
    async with served.client() as client:
        headers = [(b"Cookie", f"{NAME}={token}".encode("latin-1"))]
        assert (await client.post("/v1/auth/refresh", headers=headers)).status_code == 401
        assert (await client.post("/v1/auth/logout", headers=headers)).status_code == 204


@pytest.mark.parametrize("path", ["logout", "logout-everywhere", "delete-account"])
async def test_the_cookie_goes_with_the_session(browser: httpx.AsyncClient, path: str) -> None:
    second = {"username": "second", "password": PASSWORD}
    await sign_up(browser, "second")
    tokens = (await browser.post("/v1/auth/login", json=LOGIN | second)).json()
    kept = browser.cookies[NAME]

    body = {"json": {"password": PASSWORD}} if path == "delete-account" else {}
    answer = await browser.post(f"/v1/auth/{path}", headers=bearer(tokens), **body)  # type: ignore[arg-type]

    assert answer.status_code == 204
    assert NAME not in browser.cookies
    assert (await browser.post("/v1/auth/refresh", json={"refresh_token": kept})).status_code == 401
    assert (await browser.post("/v1/auth/refresh")).json()["code"] == "session_ended"
