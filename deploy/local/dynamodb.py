"""How does a DynamoDB run here? Ministack is strict but keeps its items in memory; roto outlives kill -9."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from deploy.local.cache import REPOSITORY, cached
from deploy.local.ports import free_block, is_listening
from deploy.local.process import Process, StartFailed
from deploy.local.seaweedfs import program

_REQUIREMENTS = REPOSITORY / "requirements" / "ministack.txt"
_STOP_GRACE_S = 15.0
"""Ministack writes all items to its folder when it stops."""


class Ministack:
    """A DynamoDB endpoint with the real one's limits and pages. `stop` keeps its items, `kill` loses them."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        port = port or free_block(1)
        self.endpoint = f"http://127.0.0.1:{port}"
        self._process = Process(
            "ministack",
            [ministack_environment() / "bin" / "ministack"],
            folder,
            is_ready=lambda: is_listening(port),
            environment={
                "GATEWAY_PORT": str(port),
                "BIND_HOST": "127.0.0.1",
                "SERVICES": "dynamodb",
                "PERSIST_STATE": "1",
                "STATE_DIR": str(folder / "state"),
            },
            grace_s=_STOP_GRACE_S,
        )

    @property
    def processes(self) -> list[Process]:
        """The one process."""
        return [self._process]

    def start(self) -> None:
        """Start the server and wait until it listens."""
        self._process.start()

    def stop(self) -> None:
        """Let the server save its items and end."""
        self._process.stop()

    def kill(self) -> None:
        """End the server; what was written since its start is lost."""
        self._process.kill()


class Roto:
    """A DynamoDB endpoint whose every acknowledged write outlives `kill`. It is laxer than the real one."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        port = port or free_block(1)
        self.endpoint = f"http://127.0.0.1:{port}"
        self._process = Process(
            "roto",
            [program("roto-server"), "--port", str(port), "--data-dir", folder / "data"],
            folder,
            is_ready=lambda: is_listening(port),
        )

    @property
    def processes(self) -> list[Process]:
        """The one process."""
        return [self._process]

    def start(self) -> None:
        """Start the server and wait until it listens."""
        self._process.start()

    def stop(self) -> None:
        """Shut the server down in order."""
        self._process.stop()

    def kill(self) -> None:
        """End the server as a power cut would."""
        self._process.kill()


def ministack_environment() -> Path:
    """Return a virtual environment of Ministack's own: it pins another botocore than ours.

    Raises
    ------
    StartFailed
        The package index did not deliver it.
    """
    digest = sha256(_REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return cached(f"ministack-{digest}", _install_ministack)


def _install_ministack(folder: Path) -> None:
    commands: tuple[list[str | Path], ...] = (
        [sys.executable, "-m", "venv", folder],
        [folder / "bin" / "python", "-m", "pip", "install", "-q", "--require-hashes", "-r", _REQUIREMENTS],
    )
    for command in commands:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace")[-1000:]
            raise StartFailed(f"Ministack could not be installed from {_REQUIREMENTS}:\n{said}")
