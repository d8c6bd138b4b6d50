"""Which running services does a journey go through? One process, and the stack; the same journeys in both."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from deploy.local.one_process import OneProcess
from deploy.local.stack import Stack
from tests.e2e.visitor import open_browser
from tunescout.client import Client
from tunescout.session import Account


@pytest.fixture(scope="package", autouse=True)
def packaging_on_demand() -> Iterator[None]:
    """Package only the songs whose packages are looked at; the others would take minutes of processor time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESCOUT_STREAMING_PACKAGE_NEW_SONGS", "false")
        yield


@pytest.fixture(scope="package")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneProcess]:
    process = OneProcess(tmp_path_factory.mktemp("one-process"))
    process.start()
    yield process
    process.kill()


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"))
    stack.start()
    yield stack
    stack.kill()


@pytest.fixture(scope="package")
def durable_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack in which every part, the stores too, may be killed."""
    stack = Stack(tmp_path_factory.mktemp("durable-stack"), replicas=2, durable=True)
    stack.start()
    yield stack
    stack.kill()


@pytest.fixture(scope="package", params=["one_process", "stack"])
def url(request: pytest.FixtureRequest) -> str:
    """Where a running service is, in either way of running it."""
    service: OneProcess | Stack = request.getfixturevalue(request.param)
    return service.url


async def new_client(url: str) -> Client:
    account = Account(url, f"listener-{secrets.token_hex(6)}", secrets.token_urlsafe(12))
    client = Client(url, account=account, patience_s=120)
    await client.sign_up(account.username, account.password)
    return client


@pytest.fixture
async def client(url: str) -> AsyncIterator[Client]:
    """Somebody with a fresh account."""
    async with await new_client(url) as client:
        yield client


@pytest.fixture(scope="package")
async def browser(pages: Path) -> AsyncIterator[Browser]:
    """A browser, to be given a context for each of its users."""
    del pages
    async with open_browser() as browser:
        yield browser
