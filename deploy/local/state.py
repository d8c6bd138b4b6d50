"""Which processes of a stack run, although the command that started them has ended?"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.process import Process, end_group
from deploy.local.stack import Stack


@dataclass(frozen=True, slots=True)
class Running:
    """A process by name and id. `birth` tells it from a later process with the same id."""

    name: str
    pid: int
    birth: str
    grace_s: float

    def is_alive(self) -> bool:
        """Tell whether this very process still runs."""
        return birth(self.pid) == self.birth

    def end(self) -> None:
        """Ask the process to end, and kill what is left of its group when its grace is over."""
        if self.is_alive():
            end_group(self.pid, self._has_ended, self.grace_s)

    def _has_ended(self, wait_s: float) -> bool:
        deadline = time.monotonic() + wait_s
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


@dataclass(frozen=True, slots=True)
class State:
    """What is written down about a stack. Its processes may have ended since."""

    url: str
    base_port: int
    services: tuple[Running, ...]
    servers: tuple[Running, ...]


def save(path: Path, stack: Stack) -> None:
    """Write down which processes of a stack run."""
    services, servers = _running(stack.services.values()), _running(stack.server_processes)
    path.write_text(json.dumps(asdict(State(stack.url, stack.base_port, services, servers)), indent=2) + "\n")


def load(path: Path) -> State | None:
    """Read what was written down; None if nothing was."""
    if not path.exists():
        return None
    kept = json.loads(path.read_text())
    services, servers = (tuple(Running(**each) for each in kept[kind]) for kind in ("services", "servers"))
    return State(kept["url"], kept["base_port"], services, servers)


def _running(processes: Iterable[Process]) -> tuple[Running, ...]:
    return tuple(
        Running(process.name, process.pid, birth(process.pid) or "", process.grace_s)
        for process in processes
        if process.pid is not None
    )


def birth(pid: int) -> str | None:
    """Return when a process was started, in its system's own count; None when it does not run."""
    try:
        os.kill(pid, 0)
        # Behind the name, which may hold anything but ends with the last parenthesis: state, ..., start time.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except ProcessLookupError:
        return None
    except FileNotFoundError:
        return "unknown"
    return None if fields[0] == "Z" else fields[19]
