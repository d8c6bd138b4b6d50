"""Does the proxy fail as it is asked to?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from deploy.local.fault_proxy import DYNAMODB_REFUSALS, S3_REFUSALS, Fault, FaultProxy

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
REQUEST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"


class HttpServer:
    """Answers each request with its number."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.bodies.append(await reader.readexactly(4))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % len(self.bodies))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


@asynccontextmanager
async def proxy_of(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], refusals: tuple[bytes, ...] = ()
) -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, FaultProxy(server.sockets[0].getsockname()[1], refusals=refusals) as proxy:
        yield proxy


@asynccontextmanager
async def connection(proxy: FaultProxy) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def exchanged(streams: Streams, data: bytes) -> bytes:
    streams[1].write(data)
    async with asyncio.timeout(30):
        return await streams[0].readexactly(len(data))


async def test_what_is_sent_arrives_whole_and_in_order() -> None:
    data = bytes(range(256)) * 2000
    async with proxy_of(echo) as proxy, connection(proxy) as streams:
        assert await exchanged(streams, data) == data


async def test_the_end_of_one_direction_is_passed_on() -> None:
    async with proxy_of(echo) as proxy, connection(proxy) as (reader, writer):
        writer.write(b"last")
        writer.write_eof()
        assert await reader.read() == b"last"


async def test_a_cut_connection_is_reset_and_the_next_one_works() -> None:
    async with proxy_of(echo) as proxy:
        async with connection(proxy) as streams:
            await exchanged(streams, b"before")
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                await streams[0].read()
        async with connection(proxy) as streams:
            assert await exchanged(streams, b"after") == b"after"


async def test_a_closed_proxy_resets_whoever_comes() -> None:
    async with proxy_of(echo) as proxy:
        proxy.fault = Fault(is_closed=True)
        async with connection(proxy) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await reader.read()


async def test_a_silent_proxy_accepts_and_says_nothing_until_the_silence_ends() -> None:
    async with proxy_of(echo) as proxy:
        proxy.fault = Fault(is_silent=True)
        async with connection(proxy) as (reader, writer):
            writer.write(b"hello")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.readexactly(5), 0.1)
            proxy.fault = Fault()
            assert await asyncio.wait_for(reader.readexactly(5), 30) == b"hello"


@pytest.mark.parametrize("fault", [Fault(latency_s=0.1), Fault(bytes_per_s=80.0)])
async def test_a_slow_proxy_holds_data_back(fault: Fault) -> None:
    async with proxy_of(echo) as proxy, connection(proxy) as streams:
        proxy.fault = fault
        began_s = time.monotonic()
        await exchanged(streams, b"8 bytes.")
        assert time.monotonic() - began_s >= 0.2  # there and back


async def test_a_refused_request_is_answered_and_never_reaches_the_server() -> None:
    server = HttpServer()
    async with proxy_of(server.serve, S3_REFUSALS) as proxy, connection(proxy) as streams:
        proxy.fault = Fault(refused=1.0)
        streams[1].write(REQUEST)
        answer = await streams[0].read()
        assert answer in S3_REFUSALS
        assert server.bodies == []
        assert proxy.counts == {"refused": 1}


async def test_an_unanswered_request_is_done_and_its_connection_reset() -> None:
    server = HttpServer()
    async with proxy_of(server.serve, DYNAMODB_REFUSALS) as proxy, connection(proxy) as (reader, writer):
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n1")
        proxy.fault = Fault(unanswered=1.0)
        writer.write(REQUEST)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert server.bodies == [b"body", b"body"]
        assert proxy.counts == {"unanswered": 1}
