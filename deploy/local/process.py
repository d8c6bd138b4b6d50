"""How is a server run as a child: started, awaited, and ended with all that it has started itself?"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LOG_TAIL_BYTES = 2000


class StartFailed(Exception):
    """A server cannot be had, or did not become ready. The message says what to do."""


class Process:
    """A child that leads its own process group and writes to ``<folder>/<name>.log``.

    Parameters
    ----------
    name : str
        Names the log file.
    command : sequence of str or Path
        Program and arguments.
    folder : Path
        Working directory; made where it is missing.
    is_ready : callable
        Asked again and again until it returns True.
    environment : mapping
        Variables besides those of this process.
    deadline_s : float
        How long the child may take to become ready, in seconds.
    grace_s : float
        How long the child may take to end when it is asked to, in seconds.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        *,
        is_ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        deadline_s: float = 60.0,
        grace_s: float = 5.0,
    ) -> None:
        self.name = name
        self.grace_s = grace_s
        self.log = folder / f"{name}.log"
        self._command = [str(part) for part in command]
        self._folder = folder
        self._is_ready = is_ready
        self._environment = dict(environment or {})
        self._deadline_s = deadline_s
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, which is also the id of the process group; None when the child was not started."""
        return self._child.pid if self._child else None

    @property
    def is_alive(self) -> bool:
        """Whether the child was started and has not ended, by itself or otherwise."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the child and wait until it is ready.

        Raises
        ------
        StartFailed
            It ended, or was not ready in time; it is gone then.
        """
        if self.is_alive:
            raise RuntimeError(f"{self.name} is running already")
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(self._child)
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, child: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._deadline_s
        while not self._is_ready():
            if child.poll() is not None:
                raise StartFailed(f"{self.name} ended with status {child.returncode}; {self._log_tail()}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.name} was not ready after {self._deadline_s:.0f} s; {self._log_tail()}")
            time.sleep(0.1)

    def _log_tail(self) -> str:
        return f"{self.log} ends with:\n{self.log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors='replace')}"

    def stop(self) -> None:
        """Ask the child to end, and kill what is left of its group when its grace is over."""
        if self._child is not None:
            end_group(self._child.pid, self._has_ended, self.grace_s)

    def kill(self) -> None:
        """End the child and its group at once, as a crash would."""
        if self._child is not None:
            kill_group(self._child.pid)
            self._child.wait()

    def _has_ended(self, wait_s: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            return self._child is None or self._child.wait(wait_s) is not None
        return False


def end_group(pid: int, has_ended: Callable[[float], bool], grace_s: float) -> None:
    """Ask the leader of a process group to end; kill what is left of the group after `grace_s` seconds.

    Only the leader is asked: it finishes its work with the help of the others. `has_ended` waits for it so many
    seconds and tells whether it is gone.
    """
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    has_ended(grace_s)
    kill_group(pid)
    has_ended(grace_s)


def kill_group(pid: int) -> None:
    """Kill every process of a group; it is no error when none is left."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def end_in_order_when_asked() -> None:
    """Let SIGTERM and SIGINT raise KeyboardInterrupt, so that this process ends what it has started.

    SIGINT too: whoever runs this in the background may have had it ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
