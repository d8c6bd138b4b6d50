"""How long may a connection be of no use, and how many of them may one address have?

The server by itself leaves open for ever what sends a request byte by byte, or does not read its answer (CWE-400).
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import h11
import structlog
from ulid import ULID
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from shared.runtime.headers import DATA_HEADERS
from shared.runtime.problems import Problem

log = structlog.get_logger()

HEAD_S = 10.0
"""Everything before the body arrives in this time."""
STALL_S = 60.0
"""So long a client may read nothing of an answer that waits for it."""
MOST_UNFINISHED = 100
"""Connections of one address whose request has not wholly arrived."""


class Unfinished:
    """Counts the connections of each address whose request has not wholly arrived.

    Parameters
    ----------
    is_exempt : callable
        Whether an address is a proxy, behind which are many.
    most : int
        Bound for each other address.
    """

    def __init__(self, is_exempt: Callable[[str], bool], most: int) -> None:
        self._is_exempt = is_exempt
        self._most = most
        self._by_address: Counter[str] = Counter()

    def has_too_many(self, address: str) -> bool:
        """Tell whether one more connection of this address is too many."""
        return self._by_address[address] >= self._most and not self._is_exempt(address)

    def count(self, address: str, change: int) -> None:
        """Note that an address has one more, or one less."""
        self._by_address[address] += change
        if self._by_address[address] <= 0:
            del self._by_address[address]


class Connection(H11Protocol):
    """A connection of a client, with deadlines where the server has none."""

    def __init__(
        self,
        unfinished: Unfinished,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._application, self.app = self.app, self._answer
        self._unfinished = unfinished
        self._is_unfinished = False
        self._is_refused = False
        self._address = ""
        self._head: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as upstream
        """Count a new connection, or refuse it."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client is not None else ""
        if self._unfinished.has_too_many(self._address):
            self._refuse(429, "too_many_connections", "too many connections of this address have not sent a request")
        else:
            self._look()

    def data_received(self, data: bytes) -> None:
        """Take in what has arrived."""
        if not self._is_refused:
            super().data_received(data)
            self._look()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._is_refused = True
        self._look()
        self.resume_writing()

    def pause_writing(self) -> None:
        """Wait until the client reads, but not for ever."""
        super().pause_writing()
        self._stall = self._stall or self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with the answer."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _should_upgrade(self) -> bool:
        """Offer no other protocol; the server would advise, in the log, to install one whenever a client asks."""
        return False

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request of HTTP/1.1."""
        status = getattr(sys.exception(), "error_status_hint", 400)
        if status == 431:
            self._refuse(431, "head_too_large", "the address and the headers of the request are too long")
        else:
            self._refuse(400, "bad_request", "this is no valid request of HTTP/1.1")

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Have a request answered; an answer that breaks off ends the connection, which tells the client."""
        cycle = self.cycle  # of this request: the next one may begin before the application is done with this one
        with contextlib.suppress(asyncio.CancelledError):  # the process stops, as the log says
            await self._application(scope, receive, send)
        if cycle.response_started and not cycle.response_complete:
            cycle.disconnected = True  # else the server would call it a bug; whoever broke it off has said why
            self.transport.close()

    def _look(self) -> None:
        """Start or stop the clock, and count, by what the client owes us now."""
        rests = self.timeout_keep_alive_task is not None
        is_answering = self.cycle is not None and not self.cycle.response_complete
        owes_head = self.conn.their_state is h11.IDLE and not (rests or is_answering or self._is_refused)
        if owes_head and self._head is None:
            self._head = self.loop.call_later(HEAD_S, self._refuse_late_head)
        if not owes_head and self._head is not None:
            self._head.cancel()
            self._head = None
        is_unfinished = owes_head or (self.conn.their_state is h11.SEND_BODY and not self._is_refused)
        if is_unfinished is not self._is_unfinished:
            self._is_unfinished = is_unfinished
            self._unfinished.count(self._address, 1 if is_unfinished else -1)

    def _refuse_late_head(self) -> None:
        self._refuse(408, "head_too_slow", f"no request arrived within {HEAD_S:g} s")

    def _refuse(self, status: int, code: str, detail: str) -> None:
        self._is_refused = True
        self._look()
        request_id = str(ULID())
        log.info("connection.refused", code=code, request_id=request_id)
        problem = Problem.of(status, code, detail, request_id=request_id)
        body = problem.model_dump_json(exclude_none=True).encode()
        headers = [
            *DATA_HEADERS.items(),
            ("Content-Type", "application/problem+json"),
            ("Content-Length", str(len(body))),
            ("X-Request-Id", request_id),
            ("Connection", "close"),
            *([("Retry-After", f"{HEAD_S:g}")] if status == 429 else []),
        ]
        with contextlib.suppress(h11.LocalProtocolError):  # an answer is on its way already
            start = h11.Response(status_code=status, headers=headers, reason=problem.title.encode())
            for event in (start, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def protocol(is_proxy: Callable[[str], bool]) -> type[asyncio.Protocol]:
    """Return what the server makes for each connection."""
    unfinished = Unfinished(is_proxy, MOST_UNFINISHED)

    def connect(**of_server: Any) -> Connection:
        return Connection(unfinished, **of_server)

    return cast("type[asyncio.Protocol]", connect)


def allow_many_connections() -> None:
    """Use as many open files as this process may have at all; each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # not everywhere the limit that is stated is also granted
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
