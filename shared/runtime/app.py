"""How does a process start, serve and stop, whichever services it hosts?"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPMethod
from typing import Any, TypeVar

import structlog
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, Histogram, generate_latest
from pydantic_settings import BaseSettings
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as ASGIMessage
from ulid import ULID

from shared.errors import Unavailable
from shared.messaging.bus import EventBus, Subscription
from shared.runtime.identity import PublishedKeys
from shared.runtime.problems import install_problem_handlers
from shared.runtime.settings import Settings
from shared.storage.blobs import BlobStore
from shared.storage.tables import Table, TableSpec

log = structlog.get_logger()
S = TypeVar("S", bound=BaseSettings)
Action = Callable[[], Awaitable[None]]

STORE_START_TIMEOUT_S = 120.0
PAUSE_S = 1.0
MAX_BODY_BYTES = 256 * 1024
"""Longest body of a request, which is JSON; the routes that take audio have limits of their own."""
_METHODS = frozenset(HTTPMethod)  # anything else that clients make up would stay in memory as a label for ever
REQUEST_SECONDS = Histogram("tunescout_http_seconds", "Time to answer.", ["method", "route", "status"])


@dataclass(frozen=True, slots=True)
class ServiceApp:
    """One service, wired: what it hears, its doors, and what it does besides.

    Parameters
    ----------
    subscriptions : sequence of Subscription
        Consumed as soon as the bus is connected.
    later : sequence of Subscription
        Consumed when the service itself says so; listed here so that they can be declared and documented.
    start, stop : callable
        Run after the bus is connected and before anything is heard; and after the bus is closed.
    background : sequence of callable
        Run for the life of the process once the subscriptions stand. An error in one ends the process.
    is_ready : callable
        Whether this service can do its work now.
    """

    name: str
    subscriptions: Sequence[Subscription[Any]] = ()
    later: Sequence[Subscription[Any]] = ()
    router: APIRouter | None = None
    start: Action | None = None
    background: Sequence[Action] = ()
    stop: Action | None = None
    is_ready: Callable[[], bool] = lambda: True


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a service is built from: the adapters of this process, and where everything is."""

    settings: Settings
    bus: EventBus
    blobs: BlobStore
    keys: PublishedKeys
    open_table: Callable[[TableSpec], Table]
    hosted: frozenset[str] = frozenset()
    tables: dict[str, Table] = field(default_factory=dict)

    def table(self, spec: TableSpec) -> Table:
        """Return the table of this name; services of one process share it."""
        if spec.name not in self.tables:
            self.tables[spec.name] = self.open_table(spec)
        return self.tables[spec.name]


class Process:
    """The life of one process: stores first, then the bus, then the services; and back."""

    def __init__(self, runtime: Runtime, services: Sequence[ServiceApp]) -> None:
        self._runtime = runtime
        self._services = services
        self._is_started = False
        self.failure: BaseException | None = None
        self.on_failure: Callable[[], None] = lambda: None

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Open the stores, then serve requests while the bus connects behind: no upload waits for a broker."""
        await self._open_stores()
        running = asyncio.create_task(self._run())
        running.add_done_callback(self._note_end)
        try:
            yield
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(running, return_exceptions=True)
            await self._runtime.bus.close()
            for service in reversed(self._services):
                if service.stop is not None:
                    await service.stop()
            await self._runtime.blobs.close()
            for table in self._runtime.tables.values():
                await table.close()
            log.info("process.stopped")

    async def _open_stores(self) -> None:
        deadline = time.monotonic() + STORE_START_TIMEOUT_S
        while True:
            try:
                await self._runtime.blobs.open()
                for table in self._runtime.tables.values():
                    await table.create()
            except Unavailable as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("store.awaited", reason=error.reason)
                await asyncio.sleep(PAUSE_S)
            else:
                return

    async def _run(self) -> None:
        await self._connect()
        # Requests are served already: what they publish must find its queues, however long the services take to start.
        for service in self._services:
            for subscription in service.subscriptions:
                if not subscription.private:
                    await self._runtime.bus.declare(subscription)
        for service in self._services:
            if service.start is not None:
                await service.start()
        for service in self._services:
            for subscription in service.subscriptions:
                await self._runtime.bus.subscribe(subscription)
        self._is_started = True
        log.info("process.started", services=[service.name for service in self._services])
        async with asyncio.TaskGroup() as tasks:
            for service in self._services:
                for action in service.background:
                    tasks.create_task(_as_coroutine(action))

    async def _connect(self) -> None:
        while True:
            try:
                return await self._runtime.bus.connect()
            except Unavailable as error:
                log.warning("broker.awaited", reason=error.reason)
                await asyncio.sleep(PAUSE_S)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("process.failed", exc_info=error)
            self.failure = error
            self.on_failure()

    async def is_ready(self) -> bool:
        """Tell whether every hosted service can do its work now."""
        return (
            self._is_started
            and all(service.is_ready() for service in self._services)
            and await self._runtime.bus.is_ready()
        )


async def _as_coroutine(action: Action) -> None:
    await action()


def web_app(process: Process, runtime: Runtime, services: Sequence[ServiceApp], *, title: str, version: str) -> FastAPI:
    """Return the HTTP side of a process: the routes of its services, probes and metrics."""
    app = FastAPI(title=title, version=version, lifespan=process.lifespan, redoc_url=None, max_body_size=MAX_BODY_BYTES)
    app.state.keys = runtime.keys
    install_problem_handlers(app)
    app.add_middleware(Observed)
    app.include_router(_probes(process))
    for service in services:
        if service.router is not None:
            app.include_router(service.router)
    return app


class Observed:
    """ASGI middleware: gives each request an id, in its log lines and its answer, and measures its time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(ULID())
        started = time.perf_counter()

        async def send_with_id(message: ASGIMessage) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
                template = getattr(scope.get("route"), "path", "unmatched")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                REQUEST_SECONDS.labels(method, template, message["status"]).observe(time.perf_counter() - started)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send_with_id)


def _probes(process: Process) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/live")
    async def live() -> PlainTextResponse:
        return PlainTextResponse("alive")

    @router.get("/ready")
    async def ready() -> JSONResponse:
        is_ready = await process.is_ready()
        return JSONResponse({"ready": is_ready}, status_code=200 if is_ready else 503)

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
