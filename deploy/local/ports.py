"""Which ports of this machine may a server take?"""

from __future__ import annotations

import atexit
import random
import socket
from collections.abc import Iterable
from contextlib import ExitStack, closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

from deploy.local.process import StartFailed

TWIN_OFFSET = 10_000
"""SeaweedFS answers gRPC on the port of the same server plus this."""

_FIRST, _LAST = 17_000, 22_000
"""With their twins these stay below Linux's range of ephemeral ports, which begins at 32768."""

_BLOCK = 20

_FIRST_CLAIM = 16_500
"""For each block a port that nobody listens on: whoever holds it may take the block, before its servers run too."""

_claims = ExitStack()
atexit.register(_claims.close)


def free_block(count: int) -> int:
    """Return the first of `count` neighbouring ports that are free on 127.0.0.1, their twins too.

    They are this process's own until it ends: no other gets them from here, though nobody listens there.
    """
    bases = list(range(_FIRST, _LAST, _BLOCK))
    random.shuffle(bases)
    for base in bases:
        ports = range(base, base + count)
        if all(is_free(port) and is_free(port + TWIN_OFFSET) for port in ports) and _claim(ports[::_BLOCK]):
            return base
    raise StartFailed(f"no {count} neighbouring ports are free between {_FIRST} and {_LAST}")


def _claim(bases: Iterable[int]) -> bool:
    with ExitStack() as claims:
        for base in bases:
            claim = claims.enter_context(socket.socket())
            try:
                claim.bind(("127.0.0.1", _FIRST_CLAIM + (base - _FIRST) // _BLOCK))
            except OSError:
                return False
        _claims.enter_context(claims.pop_all())
    return True


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


def answers(port: int, path: str) -> bool:
    """Tell whether a server on the port answers a request for the path with 200."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=2.0)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
