"""Which ports of this machine may a server take?"""

from __future__ import annotations

import random
import socket
from contextlib import closing

from deploy.local.process import StartFailed

TWIN_OFFSET = 10_000
"""SeaweedFS answers gRPC on the port of the same server plus this."""

_FIRST, _LAST = 17_000, 22_000
"""With their twins these stay below Linux's range of ephemeral ports, which begins at 32768."""

_BLOCK = 20


def free_block(count: int) -> int:
    """Return the first of `count` neighbouring ports that are free on 127.0.0.1, their twins too."""
    bases = list(range(_FIRST, _LAST, _BLOCK))
    random.shuffle(bases)
    for base in bases:
        if all(is_free(port) and is_free(port + TWIN_OFFSET) for port in range(base, base + count)):
            return base
    raise StartFailed(f"no {count} neighbouring ports are free between {_FIRST} and {_LAST}")


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port."""
    with closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def is_listening(port: int) -> bool:
    """Tell whether somebody accepts connections on the port."""
    with closing(socket.socket()) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
