"""How does the whole of Tune Scout run on one machine, each service a process of its own, over real servers?"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Protocol

from deploy.local.cache import REPOSITORY
from deploy.local.dynamodb import Ministack, Roto
from deploy.local.ports import answers, free_block
from deploy.local.process import Process, StartFailed
from deploy.local.rabbitmq import RabbitMQ
from deploy.local.seaweedfs import SeaweedFS

SERVICES = ("gateway", "ingest", "streaming", "auth", "fingerprint", "analytics")
"""Each on the base port plus its position; the replicas of the matcher follow."""

_SERVERS_OFFSET = 40
_PORTS = 50
_DECLARE_DEADLINE_S = 120.0
_READY_DEADLINE_S = 120.0
"""On a busy machine with two cores; the compiler of the search alone takes seconds in each process."""


class Server(Protocol):
    """Something that is started, stopped, and killed."""

    @property
    def processes(self) -> list[Process]:
        """The processes that make it up."""

    def start(self) -> None:
        """Start it and wait until it is ready."""

    def stop(self) -> None:
        """End it in order."""

    def kill(self) -> None:
        """End it as a crash would."""


class Stack:
    """RabbitMQ, S3, DynamoDB, and every service as a process of its own.

    Parameters
    ----------
    folder : Path
        For all data and logs, and the credentials, which are made at random once.
    base_port : int or None
        First of 50 ports; the gateway is on this one. None takes free ones.
    shards, replicas : int
        Number of shards of the index, and how many processes hold each of them.
    durable : bool
        Use the DynamoDB that outlives `kill -9` instead of the stricter one.
    doors : mapping of str to int
        Ports at which services reach a server instead of its own: those of proxies, by the name of the server.
    """

    def __init__(
        self,
        folder: Path,
        base_port: int | None = None,
        shards: int = 2,
        replicas: int = 1,
        *,
        durable: bool = False,
        doors: Mapping[str, int] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.base_port = base_port or free_block(_PORTS)
        self.url = self._url("gateway")
        access_key, secret_key = _credentials(self.folder)
        port = self.base_port + _SERVERS_OFFSET
        self.rabbitmq = RabbitMQ(self.folder / "rabbitmq", port)
        self.s3 = SeaweedFS(self.folder / "s3", access_key, secret_key, port + 3)
        self.dynamodb = (Roto if durable else Ministack)(self.folder / "dynamodb", port + 8)
        self.servers: dict[str, Server] = {"rabbitmq": self.rabbitmq, "s3": self.s3, "dynamodb": self.dynamodb}
        doors = doors or {}
        self.settings = {
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
            "TUNESCOUT_ENVIRONMENT": "local",
            "TUNESCOUT_BROKER_URL": _through(doors.get("rabbitmq"), self.rabbitmq.url),
            "TUNESCOUT_TABLES__KIND": "dynamodb",
            "TUNESCOUT_TABLES__ENDPOINT_URL": _through(doors.get("dynamodb"), self.dynamodb.endpoint),
            "TUNESCOUT_BLOBS__KIND": "s3",
            "TUNESCOUT_BLOBS__ENDPOINT_URL": _through(doors.get("s3"), self.s3.endpoint),
            "TUNESCOUT_BLOBS__BUCKET": "tunescout",
            "TUNESCOUT_BLOBS__CORS_ORIGINS": json.dumps([self.url, self.url.replace("127.0.0.1", "localhost")]),
            "TUNESCOUT_PUBLIC_URL": self.url,
            "TUNESCOUT_URLS__INGEST": self._url("ingest"),
            "TUNESCOUT_URLS__STREAMING": self._url("streaming"),
            "TUNESCOUT_URLS__AUTH": self._url("auth"),
            "TUNESCOUT_GRACEFUL_STOP_S": "4",
        }
        self._urls: dict[str, str] = {}
        self.services = {name: self._service(name, name, self._port(name), {}) for name in SERVICES}
        self._matcher_ports = list(range(self.base_port + len(SERVICES), self.base_port + _SERVERS_OFFSET))
        self.add_generation(shards, replicas)

    @property
    def server_processes(self) -> list[Process]:
        """The processes of the servers."""
        return [process for server in self.servers.values() for process in server.processes]

    @property
    def service_urls(self) -> dict[str, str]:
        """Where each service serves its probes and metrics."""
        return {name: url for name, url in self._urls.items() if name in self.services}

    @property
    def matcher_urls(self) -> list[str]:
        """Where the replicas of the matcher serve their probes and metrics."""
        return [url for name, url in self.service_urls.items() if name.startswith("matcher")]

    def add_generation(self, shards: int, replicas: int = 1) -> dict[str, Process]:
        """Make the processes of an index of so many shards, to be started beside those that are there.

        Returns
        -------
        dict of str to Process
            By name: `matcher-0-of-2-a` is the first replica of the first of two shards.
        """
        places = list(product(range(shards), ascii_lowercase[:replicas]))
        ports = self._matcher_ports[: len(places)]
        if not places or len(ports) < len(places):
            raise ValueError(f"{len(self._matcher_ports)} matchers fit, not {shards} shards of {replicas} replicas")
        del self._matcher_ports[: len(places)]
        made = {}
        for (shard, replica), port in zip(places, ports, strict=True):
            name = f"matcher-{shard}-of-{shards}-{replica}"
            own = {
                "TUNESCOUT_MATCHER_SHARD": str(shard),
                "TUNESCOUT_MATCHER_SHARDS": str(shards),
                "TUNESCOUT_MATCHER_REPLICA": replica,
            }
            made[name] = self._service(name, "matcher", port, own)
        self.services |= made
        return made

    def remove_generation(self, shards: int) -> None:
        """End the processes of an index of so many shards, each in order."""
        leaving = [name for name in self.services if f"-of-{shards}-" in name]
        _at_once([self.services.pop(name).stop for name in leaving])

    def start(self) -> None:
        """Start the servers, declare queues and tables, start the services; return when all are ready.

        Raises
        ------
        StartFailed
            Something did not become ready; everything is ended again.
        """
        try:
            self.start_servers()
            self._declare()
            _at_once([service.start for service in self.services.values()])
        except BaseException:
            self.kill()
            raise

    def start_servers(self) -> None:
        """Start RabbitMQ, S3 and DynamoDB only."""
        _at_once([server.start for server in self.servers.values()])

    def stop(self) -> None:
        """End the services, then the servers, each in order."""
        _at_once([service.stop for service in self.services.values()])
        _at_once([server.stop for server in self.servers.values()])

    def kill(self) -> None:
        """End everything at once."""
        for service in self.services.values():
            service.kill()
        for server in self.servers.values():
            server.kill()

    def _service(self, name: str, kind: str, port: int, own: Mapping[str, str]) -> Process:
        folder = self.folder / "services" / name
        self._urls[name] = f"http://127.0.0.1:{port}"
        return Process(
            name,
            [sys.executable, "-m", "services", kind],
            folder,
            is_ready=lambda: answers(port, "/ready"),
            environment={
                **self.settings,
                **own,
                "PYTHONPATH": str(REPOSITORY),
                "TUNESCOUT_PORT": str(port),
                "TUNESCOUT_DATA_DIR": str(folder),
            },
            deadline_s=_READY_DEADLINE_S,
        )

    def _port(self, service: str) -> int:
        return self.base_port + SERVICES.index(service)

    def _url(self, service: str) -> str:
        return f"http://127.0.0.1:{self._port(service)}"

    def _declare(self) -> None:
        environment = {
            **os.environ,
            **self.settings,
            "PYTHONPATH": str(REPOSITORY),
            "TUNESCOUT_DATA_DIR": str(self.folder),
        }
        try:
            done = subprocess.run(
                [sys.executable, "-m", "tunescout", "declare"],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_DECLARE_DEADLINE_S,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise StartFailed(f"`tunescout declare` did not end within {_DECLARE_DEADLINE_S:.0f} s") from late
        if done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace")[-2000:]
            raise StartFailed(f"`tunescout declare` ended with status {done.returncode}:\n{said}")


def _through(door: int | None, url: str) -> str:
    """Return the URL with another port."""
    return url if door is None else re.sub(r":\d+(/?)$", rf":{door}\1", url)


def _at_once(actions: Iterable[Callable[[], None]]) -> None:
    """Do all actions side by side; raise the first error after all have ended."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        futures = [pool.submit(action) for action in actions]
    for future in futures:
        future.result()


def _credentials(folder: Path) -> tuple[str, str]:
    """Return access key and secret key; servers keep them with their data, so they are made once."""
    kept = folder / "credentials.json"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(json.dumps({"access_key": secrets.token_hex(10), "secret_key": secrets.token_hex(20)}))
    credentials: Mapping[str, str] = json.loads(kept.read_text())
    return credentials["access_key"], credentials["secret_key"]
