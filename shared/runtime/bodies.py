"""How large may a request be, and how slowly may its body come?"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.runtime.problems import problem

PATIENCE_S = 30.0
DRAINED_BYTES = 2 * 1024**2
DRAINED_S = 2.0
"""So much of a body that nobody wants, and so long, is received nevertheless, so that its sender sees the answer."""
MOST_ADDRESS_BYTES = 8 * 1024
MOST_HEADER_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """What a route accepts as a body.

    Attributes
    ----------
    size_bytes : int or None
        Longest body; None where the route itself knows.
    least_bytes : int or None
        So many bytes at least arrive in each `PATIENCE_S` of waiting; None for a body that arrives whole in them.
    """

    size_bytes: int | None
    least_bytes: int | None = None


JSON_BYTES = 256 * 1024
JSON = BodyLimit(JSON_BYTES)
LEAST_BYTES = 32 * 1024
"""About 1 kB/s: slower than any network that audio can be sent through."""


class Bodies:
    """ASGI middleware: refuses what is too large before it is read, and what comes too slowly.

    Parameters
    ----------
    app : ASGIApp
        What is behind.
    limits : mapping of str to BodyLimit
        By path, or by the beginning of a path when that ends with a slash; all other bodies are `JSON`.
    """

    def __init__(self, app: ASGIApp, limits: Mapping[str, BodyLimit]) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(self._limit(scope["path"]), scope, receive, send)
        if (reason := _excess(scope) or body.excess()) is None:
            await self._app(scope, body.receive, body.send)
        else:
            await problem(Request(scope), *reason)(scope, receive, body.send)

    def _limit(self, path: str) -> BodyLimit:
        for known, limit in self._limits.items():
            if path == known or (known.endswith("/") and path.startswith(known)):
                return limit
        return JSON


def _excess(scope: Scope) -> tuple[int, str, str] | None:
    """Return why the head of a request is refused: status, code and detail."""
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MOST_ADDRESS_BYTES:
        return 414, "address_too_long", f"an address has at most {MOST_ADDRESS_BYTES} bytes"
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADER_BYTES:
        return 431, "head_too_large", f"the headers have at most {MOST_HEADER_BYTES} bytes"
    if {"content-length", "transfer-encoding"} <= set(Headers(scope=scope)):
        # Else somebody behind us may find another end of the body than we do.
        return 400, "bad_request", "a body has a length or comes in chunks, not both"
    return None


class _Body:
    def __init__(self, limit: BodyLimit, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self._limit = limit
        self._receive = receive
        self._send = send
        self._announced_bytes = int(headers.get("content-length", 0))  # the server has checked it
        self._has_ended = self._announced_bytes == 0 and "transfer-encoding" not in headers
        self._is_answered = False
        self._received_bytes = 0
        self._patience_s = PATIENCE_S
        self._recent_bytes = 0

    def excess(self) -> tuple[int, str, str] | None:
        if self._limit.size_bytes is not None and self._announced_bytes > self._limit.size_bytes:
            return 413, "body_too_large", self._too_large()
        return None

    def _too_large(self) -> str:
        return f"a body has at most {self._limit.size_bytes} bytes here"

    async def receive(self) -> Message:
        if self._has_ended:
            return await self._receive()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._patience_s):
                message = await self._receive()
        except TimeoutError:
            if self._is_answered:
                return {"type": "http.disconnect"}
            raise HTTPException(408, f"the body did not arrive: it is awaited for {PATIENCE_S:g} s") from None
        self._patience_s -= time.monotonic() - started  # only what the client took, not what we did in between
        self._count(message)
        return message

    def _count(self, message: Message) -> None:
        self._has_ended = not message.get("more_body", False)
        size = len(message.get("body", b""))
        self._received_bytes += size
        self._recent_bytes += size
        if self._limit.size_bytes is not None and self._received_bytes > self._limit.size_bytes:
            self._has_ended = False
            raise HTTPException(413, self._too_large())
        if self._limit.least_bytes is not None and self._recent_bytes >= self._limit.least_bytes:
            self._patience_s, self._recent_bytes = PATIENCE_S, 0

    async def _drain(self) -> None:
        # Who is still sending when the connection closes may never see the answer (RFC 9112, 9.6).
        if self._has_ended or not 0 < self._announced_bytes <= DRAINED_BYTES:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAINED_S):
                while not self._has_ended:
                    message = await self._receive()
                    self._has_ended = not message.get("more_body", False)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_answered = True
            await self._drain()
            if not self._has_ended:  # what is still coming belongs to no request that anybody wants
                MutableHeaders(scope=message)["Connection"] = "close"
        await self._send(message)
