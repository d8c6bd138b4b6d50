"""Does a connection that serves many requests keep their answers apart?"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from shared.runtime.connections import protocol


async def test_answer_is_whole_though_the_application_is_not_done_with_the_request_before() -> None:
    has_begun, is_done = asyncio.Event(), asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        is_first = scope["path"] == "/first"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        if is_first:
            await send({"type": "http.response.body", "body": b"firs"})
            await has_begun.wait()  # as one that closes its file
            is_done.set()
        else:
            await send({"type": "http.response.body", "body": b"se", "more_body": True})
            has_begun.set()
            await is_done.wait()
            await send({"type": "http.response.body", "body": b"co"})

    config = uvicorn.Config(application, log_config=None)
    config.load()
    connect: Any = protocol(lambda _: False)
    served = partial(connect, config=config, server_state=ServerState(), app_state={})
    server = await asyncio.get_running_loop().create_server(served, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(30):
        answers = await reader.read()
    writer.close()
    server.close()
    await server.wait_closed()

    assert [answer.rpartition(b"\r\n\r\n")[2] for answer in answers.split(b"HTTP/1.1 200")[1:]] == [b"firs", b"seco"]
