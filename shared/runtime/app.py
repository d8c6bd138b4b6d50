"""How does a process start, serve and stop, whichever services it hosts?"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPMethod
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar, cast

import structlog
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, Histogram, generate_latest
from pydantic import IPvAnyNetwork
from pydantic_settings import BaseSettings
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as ASGIMessage
from ulid import ULID
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from shared.errors import Unavailable
from shared.messaging.bus import EventBus, Subscription
from shared.runtime.bodies import Bodies, BodyLimit
from shared.runtime.description import correct_description
from shared.runtime.headers import ProtectiveHeaders
from shared.runtime.identity import PublishedKeys
from shared.runtime.problems import Problems, install_problem_handlers, problem
from shared.runtime.settings import Settings
from shared.runtime.streams import Streams
from shared.storage.blobs import BlobStore
from shared.storage.tables import Table, TableSpec

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

log = structlog.get_logger()
S = TypeVar("S", bound=BaseSettings)
Action = Callable[[], Awaitable[None]]

STORE_START_TIMEOUT_S = 120.0
PAUSE_S = 1.0
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{8,100}")
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
    bodies : mapping of str to BodyLimit
        The paths that take more than JSON; one that ends with a slash stands for all below it.
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
    bodies: Mapping[str, BodyLimit] = field(default_factory=dict)
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
        await when_available(self._runtime.bus.connect)
        # Requests are served already: what they publish must find its queues, however long the services take to start.
        for service in self._services:
            for subscription in service.subscriptions:
                if not subscription.private:
                    await when_available(partial(self._runtime.bus.declare, subscription))
        for service in self._services:
            if service.start is not None:
                await service.start()
        for service in self._services:
            for subscription in service.subscriptions:
                await when_available(partial(self._runtime.bus.subscribe, subscription))
        self._is_started = True
        log.info("process.started", services=[service.name for service in self._services])
        async with asyncio.TaskGroup() as tasks:
            for service in self._services:
                for action in service.background:
                    tasks.create_task(_as_coroutine(action))

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


async def when_available(action: Action) -> None:
    """Do what may be done again, until the broker is there and stays for as long as it takes."""
    while True:
        try:
            return await action()
        except Unavailable as error:
            log.warning("broker.awaited", reason=error.reason)
            await asyncio.sleep(PAUSE_S)


async def _as_coroutine(action: Action) -> None:
    await action()


def web_app(process: Process, runtime: Runtime, services: Sequence[ServiceApp], *, title: str, version: str) -> FastAPI:
    """Return the HTTP side of a process: the routes of its services, probes and metrics."""
    # A page of documentation would run code of somebody else's server beside people's tokens.
    app = FastAPI(
        title=title,
        version=version,
        lifespan=process.lifespan,
        redoc_url=None,
        docs_url=None,
        redirect_slashes=False,  # it would lead to whatever host the request says that we are
        # The gateway describes the services behind it, too.
        openapi_url=None if "gateway" in runtime.hosted else "/openapi.json",
    )
    correct_description(app)
    app.state.keys = runtime.keys
    app.state.streams = Streams()
    install_problem_handlers(app)
    app.include_router(_probes(process, runtime.settings.metrics_networks))
    for service in services:
        if service.router is not None:
            app.include_router(service.router)
    # Around the application, not within it: its answers about bugs need all of this, too.
    inner = _protected(app.build_middleware_stack(), runtime.settings, services)
    # Behind the gateway nobody else knocks, and it says where a request comes from.
    trusted = runtime.settings.trusted_proxies if not runtime.hosted or "gateway" in runtime.hosted else "*"
    proxies = ProxyHeadersMiddleware(cast("ASGI3Application", inner), trusted)
    app.state.is_proxy = proxies.trusted_hosts.__contains__
    app.middleware_stack = Observed(cast("ASGIApp", proxies), app.state.is_proxy)
    return app


def _protected(app: ASGIApp, settings: Settings, services: Sequence[ServiceApp]) -> ASGIApp:
    app = Bodies(app, {path: limit for service in services for path, limit in service.bodies.items()})
    app = CORSMiddleware(
        app,
        allow_origins=settings.page_origins(),
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "Range"],
        expose_headers=["Accept-Ranges", "Content-Range", "ETag", "Location", "Retry-After", "X-Request-Id"],
    )
    is_https = settings.public_base().startswith("https:")
    return ProtectiveHeaders(Problems(app), bucket_origin=settings.bucket_origin(), is_https=is_https)


class Observed:
    """ASGI middleware: gives each request an id, in its log lines and its answer, and measures its time.

    Parameters
    ----------
    app : ASGIApp
        What is behind.
    is_proxy : callable
        Whether an address may give a request its id itself.
    """

    def __init__(self, app: ASGIApp, is_proxy: Callable[[str], bool]) -> None:
        self._app = app
        self._is_proxy = is_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope["request_id"] = self._given_id(scope) or str(ULID())
        started = time.perf_counter()
        is_answered = False

        async def send_with_id(message: ASGIMessage) -> None:
            nonlocal is_answered
            is_answered = True
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
                template = getattr(scope.get("route"), "path", "unmatched")
                method = scope["method"] if scope["method"] in _METHODS else "other"
                REQUEST_SECONDS.labels(method, template, message["status"]).observe(time.perf_counter() - started)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except asyncio.CancelledError:
                # The process stops, and has waited long enough. The server would call that an error of ours.
                log.warning("request.interrupted")
                if is_answered:
                    raise
                answer = problem(Request(scope), 503, "unavailable", "the service is restarting; please try again")
                answer.headers["Retry-After"] = "1"
                await answer(scope, receive, send_with_id)

    def _given_id(self, scope: Scope) -> str | None:
        given = Headers(scope=scope).get("x-request-id", "")
        is_believed = scope["client"] is not None and self._is_proxy(scope["client"][0])
        return given if is_believed and _SANE_ID.fullmatch(given) else None


def _probes(process: Process, metrics_networks: Sequence[IPvAnyNetwork]) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/live")
    async def live() -> PlainTextResponse:
        return PlainTextResponse("alive")

    @router.get("/ready")
    async def ready() -> JSONResponse:
        is_ready = await process.is_ready()
        return JSONResponse({"ready": is_ready}, status_code=200 if is_ready else 503)

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        # They tell how much others do here. A proxy speaks for strangers, one that the settings do not name too.
        if "x-forwarded-for" in request.headers or not _is_from(request, metrics_networks):
            raise HTTPException(404)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


def _is_from(request: Request, networks: Sequence[IPvAnyNetwork]) -> bool:
    try:
        address = ip_address(request.client.host if request.client is not None else "")
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in networks)
