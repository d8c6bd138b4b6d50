"""How does a RabbitMQ node run where Docker answers?"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import time

from testcontainers.core.container import DockerContainer

from deploy.local.ports import free_block
from deploy.local.process import StartFailed
from deploy.local.rabbitmq import speaks_amqp

_IMAGE = "rabbitmq:4.2"
_START_DEADLINE_S = 90.0


def docker_answers() -> bool:
    """Tell whether a Docker engine runs here."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        return subprocess.run([docker, "info"], capture_output=True, timeout=20, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


class RabbitMQContainer:
    """A node in a container. Its port, and what it stored durably, outlive `kill`; `stop` removes it."""

    def __init__(self) -> None:
        self._port = free_block(1)
        self._user, self._password = "tunescout", secrets.token_urlsafe(24)
        self._container = (
            DockerContainer(_IMAGE)
            .with_bind_ports("5672/tcp", self._port)
            .with_env("RABBITMQ_DEFAULT_USER", self._user)
            .with_env("RABBITMQ_DEFAULT_PASS", self._password)
        )
        self._was_created = False

    @property
    def url(self) -> str:
        """The amqp:// URL, with user and password."""
        host = self._container.get_container_host_ip()
        return f"amqp://{self._user}:{self._password}@{host}:{self._port}/"

    def start(self) -> None:
        """Start the node and wait until it answers."""
        if self._was_created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._was_created = True
        host = self._container.get_container_host_ip()
        deadline = time.monotonic() + _START_DEADLINE_S
        while not speaks_amqp(self._port, host):
            if time.monotonic() > deadline:
                self.stop()
                raise StartFailed(f"{_IMAGE} did not answer on {host}:{self._port} in {_START_DEADLINE_S:.0f} s")
            time.sleep(0.2)

    def stop(self) -> None:
        """Shut the node down and remove its container."""
        self._container.stop()

    def kill(self) -> None:
        """End the node as a power cut would."""
        self._container.get_wrapped_container().kill()
