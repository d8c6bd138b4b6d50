"""What do the tests of the sandbox run in it?"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import time
from pathlib import Path
from typing import NoReturn

from shared.errors import Rejected


def double(number: int) -> int:
    return 2 * number


def process_id_after(duration_s: float) -> int:
    time.sleep(duration_s)
    return os.getpid()


def spin_for_ever(announce_to: Path) -> NoReturn:
    announce_to.write_text(str(os.getpid()))
    while True:
        pass


def take_memory(size_bytes: int) -> int:
    return len(bytearray(size_bytes))


def crash() -> None:
    ctypes.string_at(0)


def crash_once(mark: Path) -> str:
    if mark.exists():
        return "survived"
    mark.touch()
    os._exit(3)


def refuse() -> None:
    raise Rejected("silence", "the audio is silent", status=418)


def stumble() -> None:
    raise KeyError("missing")


def environment() -> dict[str, str]:
    return dict(os.environ)


def is_connected(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


def write_file(path: Path, size_bytes: int) -> None:
    path.write_bytes(bytes(size_bytes))


def processor_limit_s() -> int:
    return resource.getrlimit(resource.RLIMIT_CPU)[0]


def open_files_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def own_status() -> str:
    return Path("/proc/self/status").read_text()
