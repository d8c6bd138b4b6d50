"""Which real servers does a test get, and for how long?"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from deploy.local.chromium import chromium
from deploy.local.container import RabbitMQContainer, docker_answers
from deploy.local.dynamodb import Ministack, Roto, ministack_environment
from deploy.local.node import node_modules
from deploy.local.process import StartFailed, end_in_order_when_asked
from deploy.local.rabbitmq import RabbitMQ, find_installation
from deploy.local.seaweedfs import SeaweedFS
from deploy.local.web import built_pages

PLAYERS = Path(__file__).parent / "e2e" / "players"
"""The project of npm with the players of HLS and DASH."""


class Server(Protocol):
    def start(self) -> None: ...

    def kill(self) -> None: ...


S = TypeVar("S", bound=Server)


@contextmanager
def running(server: S) -> Iterator[S]:
    """Run a server whose data nobody will miss."""
    server.start()
    try:
        yield server
    finally:
        if isinstance(server, RabbitMQContainer):
            server.stop()
        else:
            server.kill()


# A busy machine is slow, and no test measures time.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_configure() -> None:
    end_in_order_when_asked()


class SharedServers(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Keeps tests together that share running servers, so that each server is started once; the others go by file."""

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        if path.stem in ("test_crashes", "test_replicas"):
            return "the durable stack"
        if path.stem in ("test_broker_away", "test_lost_answers", "test_quotas"):
            return "contract"
        return path.parts[1] if path.parts[1] in ("contract", "e2e") else str(path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedServers:
    return SharedServers(config, log)


def pytest_collection_finish(session: pytest.Session) -> None:
    # Downloads are made before the clock of the first test that needs them runs.
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    with suppress(StartFailed):
        if "dynamodb_endpoint" in wanted:
            ministack_environment()
    with suppress(StartFailed):
        if wanted & {"rabbitmq_url", "rabbitmq_node"} and not docker_answers():
            find_installation()
    with suppress(StartFailed):
        if "players" in wanted:
            node_modules(PLAYERS)
            chromium()
    with suppress(StartFailed):
        if "pages" in wanted:
            built_pages()
            chromium()


@pytest.fixture(scope="session")
def pages() -> Path:
    """The built pages; a service that has started before sees them too."""
    return built_pages()


@pytest.fixture(scope="session")
def aws_credentials() -> Iterator[tuple[str, str]]:
    """Access key and secret key of this run, in the environment as AWS's SDK looks for them."""
    access_key, secret_key = "tunescout", secrets.token_hex(20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", access_key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", secret_key)
        patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        patch.delenv("AWS_PROFILE", raising=False)
        yield access_key, secret_key


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory, aws_credentials: tuple[str, str]) -> Iterator[str]:
    """URL of an S3 server for the whole run; a test makes its own bucket."""
    with running(SeaweedFS(tmp_path_factory.mktemp("s3"), *aws_credentials)) as server:
        yield server.endpoint


@pytest.fixture(scope="session")
def dynamodb_endpoint(tmp_path_factory: pytest.TempPathFactory, aws_credentials: tuple[str, str]) -> Iterator[str]:
    """URL of a strict DynamoDB server for the whole run; a test makes its own tables."""
    del aws_credentials
    with running(Ministack(tmp_path_factory.mktemp("dynamodb"))) as server:
        yield server.endpoint


@pytest.fixture(scope="session")
def roto_endpoint(tmp_path_factory: pytest.TempPathFactory, aws_credentials: tuple[str, str]) -> Iterator[str]:
    """URL of a durable DynamoDB server for the whole run; a test makes its own tables."""
    del aws_credentials
    with running(Roto(tmp_path_factory.mktemp("roto"))) as server:
        yield server.endpoint


@pytest.fixture(scope="session")
def rabbitmq_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """amqp:// URL of a broker for the whole run: the one in TUNESCOUT_TEST_BROKER_URL, or one started here."""
    given = os.environ.get("TUNESCOUT_TEST_BROKER_URL")
    if given:
        yield given
        return
    with running(own_node(tmp_path_factory.mktemp("rabbitmq"))) as node:
        yield node.url


@pytest.fixture
def rabbitmq_node(tmp_path: Path) -> Iterator[RabbitMQ | RabbitMQContainer]:
    """A broker of the test's own, running, to `kill` and to `start` again."""
    with running(own_node(tmp_path / "rabbitmq")) as node:
        yield node


def own_node(folder: Path) -> RabbitMQ | RabbitMQContainer:
    return RabbitMQContainer() if docker_answers() else RabbitMQ(folder)
