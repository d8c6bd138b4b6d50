"""What does a service see when the network fails, or the server behind it? A TCP proxy that fails on demand."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

CHUNK_BYTES = 1 << 16
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: what is not sent yet is dropped, and the peer gets a RST."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ENCODED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect: *100-continue", re.IGNORECASE)


def _dynamodb(status: str, name: str) -> bytes:
    body = b'{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"made by the fault proxy"}' % name.encode()
    return _answer(status, "application/x-amz-json-1.0", body)


def _s3(status: str, name: str) -> bytes:
    body = b"<Error><Code>%s</Code><Message>made by the fault proxy</Message></Error>" % name.encode()
    return _answer(status, "application/xml", body)


def _answer(status: str, content_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close"
    return head.encode() + b"\r\n\r\n" + body


DYNAMODB_REFUSALS = (
    _dynamodb("400 Bad Request", "ProvisionedThroughputExceededException"),
    _dynamodb("400 Bad Request", "ThrottlingException"),
    _dynamodb("500 Internal Server Error", "InternalServerError"),
)
S3_REFUSALS = (_s3("500 Internal Server Error", "InternalError"), _s3("503 Service Unavailable", "SlowDown"))


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong; nothing by default.

    Attributes
    ----------
    latency_s : float
        How long each piece of data is held back, in seconds.
    bytes_per_s : float or None
        How much passes through one connection in a second, in each direction.
    is_silent : bool
        Connections are accepted, and nothing is said on any; what was held back passes when this ends.
    is_closed : bool
        Every connection is reset.
    refused : float
        Share of HTTP requests that are answered with an error and never reach the server.
    unanswered : float
        Share of HTTP requests that reach the server, and whose connection is reset instead of being answered. Whoever
        asked cannot know whether it was done.
    """

    latency_s: float = 0.0
    bytes_per_s: float | None = None
    is_silent: bool = False
    is_closed: bool = False
    refused: float = 0.0
    unanswered: float = 0.0


class FaultProxy:
    """Passes connections on to a port of this machine, as well as its fault lets it.

    Parameters
    ----------
    server_port : int
        Where the server is; it may be set later.
    refusals : sequence of bytes
        HTTP answers to refused requests; without any, bytes are passed on and not understood.
    seed : int
        Decides which requests fail.

    Attributes
    ----------
    port : int
        Where the proxy is, once it is entered.
    counts : Counter of str
        How many connections were ``cut``, and how many requests ``refused`` and ``unanswered``.
    """

    def __init__(self, server_port: int = 0, *, refusals: Sequence[bytes] = (), seed: int = 0) -> None:
        self.server_port = server_port
        self.port = 0
        self.counts: Counter[str] = Counter()
        self._refusals = refusals
        self._rng = random.Random(seed)
        self._fault = Fault()
        self._changed = asyncio.Event()
        self._lines: set[_Line] = set()
        self._serving: set[asyncio.Task[object]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=CHUNK_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            self.fault = Fault(is_closed=True)
            await asyncio.gather(*self._serving, return_exceptions=True)

    @property
    def fault(self) -> Fault:
        """What goes wrong now, on the connections that are there, too."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._fault = fault
        self._changed.set()
        self._changed = asyncio.Event()
        if fault.is_closed:
            self.cut()

    def cut(self, share: float = 1.0) -> None:
        """Reset this share of the connections."""
        for line in [line for line in self._lines if self._rng.random() < share]:
            self.counts["cut"] += 1
            line.reset()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._pass_on(client, to_client)
        finally:
            self._serving.discard(task)

    async def _pass_on(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            await self._heard()
            server, to_server = await asyncio.open_connection("127.0.0.1", self.server_port, limit=CHUNK_BYTES)
        except OSError:  # the server is away, so there seems to be none here either
            _reset(to_client)
            return
        line = _Line(client, to_client, server, to_server)
        self._lines.add(line)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._requests(line) if self._refusals else self._copy(client, to_server))
                tasks.create_task(self._answers(line))
        except* (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # one side is gone, and so is the other below
        finally:
            self._lines.discard(line)
            line.reset()

    async def _heard(self) -> None:
        """Return when data may pass; raise where the connection is at its end."""
        while self._fault.is_silent:
            await self._changed.wait()
        if self._fault.is_closed:
            raise ConnectionResetError

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        await self._heard()
        pause_s = self._fault.latency_s
        if self._fault.bytes_per_s is not None:
            pause_s += len(data) / self._fault.bytes_per_s
        if pause_s:
            await asyncio.sleep(pause_s)
        writer.write(data)
        await writer.drain()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await self._pass(data, writer)
        writer.write_eof()

    async def _requests(self, line: _Line) -> None:
        """Pass on one request after the other, or not."""
        with suppress(asyncio.IncompleteReadError):
            while True:
                head = await line.client.readuntil(b"\r\n\r\n")
                await self._heard()
                if _ENCODED.search(head):
                    raise OSError("a body of unknown length")
                length = _LENGTH.search(head)
                chance = self._rng.random()
                is_refused = chance < self._fault.refused
                line.is_unanswered = not is_refused and chance < self._fault.refused + self._fault.unanswered
                if is_refused and _EXPECTS.search(head):
                    length = None  # it is not sent before it is asked for
                if not is_refused:
                    await self._pass(head, line.to_server)
                await self._body(line, int(length[1]) if length else 0, is_dropped=is_refused)
                if is_refused:
                    self.counts["refused"] += 1
                    await self._pass(self._rng.choice(self._refusals), line.to_client)
                    line.to_client.close()
                    line.to_server.close()
                    return
        line.to_server.write_eof()

    async def _body(self, line: _Line, left_bytes: int, *, is_dropped: bool) -> None:
        while left_bytes:
            data = await line.client.read(min(left_bytes, CHUNK_BYTES))
            if not data:
                raise EOFError
            left_bytes -= len(data)
            if not is_dropped:
                await self._pass(data, line.to_server)

    async def _answers(self, line: _Line) -> None:
        while data := await line.server.read(CHUNK_BYTES):
            if line.is_unanswered and not data.startswith(b"HTTP/1.1 100"):
                self.counts["unanswered"] += 1
                raise ConnectionResetError
            await self._pass(data, line.to_client)
        line.to_client.write_eof()


@dataclass(eq=False, slots=True)
class _Line:
    """A connection and its continuation to the server."""

    client: asyncio.StreamReader
    to_client: asyncio.StreamWriter
    server: asyncio.StreamReader
    to_server: asyncio.StreamWriter
    is_unanswered: bool = False

    def reset(self) -> None:
        _reset(self.to_client)
        _reset(self.to_server)


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.transport.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
