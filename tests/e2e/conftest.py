"""Which running services does a journey go through? One process, and the stack; the same journeys in both."""

from __future__ import annotations

import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
from playwright.async_api import Browser

from deploy.local.ports import free_block
from deploy.local.process import Process
from deploy.local.stack import Stack
from tests.e2e.visitor import open_browser
from tunescout.client import Client
from tunescout.session import Account

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="package", autouse=True)
def packaging_on_demand() -> Iterator[None]:
    """Package only the songs whose packages are looked at; the others would take minutes of processor time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNESCOUT_STREAMING_PACKAGE_NEW_SONGS", "false")
        yield


class OneProcess(Process):
    """Everything in one process, in a data folder."""

    def __init__(self, folder: Path) -> None:
        self.port = free_block(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        super().__init__(
            "one-process",
            [sys.executable, "-m", "services"],
            folder,
            is_ready=self._answers,
            environment={
                "PYTHONPATH": str(REPOSITORY),
                "TMPDIR": str(folder),
                "TUNESCOUT_DATA_DIR": str(folder / "data"),
                "TUNESCOUT_PORT": str(self.port),
            },
            deadline_s=90,
        )

    def _answers(self) -> bool:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=2)) as connection:
            try:
                connection.request("GET", "/ready")
                return connection.getresponse().status == 200
            except (OSError, HTTPException):
                return False


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
