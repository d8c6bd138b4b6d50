"""Which services does this process host? One, several, or all of them in one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from pydantic_settings import SettingsError

from shared.errors import Rejected
from shared.messaging.bus import EventBus, Subscription
from shared.messaging.memory import MemoryBus
from shared.messaging.outbox import Outbox
from shared.runtime.adapters import blob_store, event_bus, table
from shared.runtime.app import Process, Runtime, ServiceApp, web_app
from shared.runtime.connections import allow_many_connections, protocol
from shared.runtime.exposure import refuse_exposure
from shared.runtime.identity import PublishedKeys
from shared.runtime.logging import configure_logging
from shared.runtime.private_file import write_private
from shared.runtime.settings import Settings

if TYPE_CHECKING:
    from services.auth.importing import Imported

SERVICES = ("auth", "streaming", "ingest", "fingerprint", "matcher", "gateway", "analytics")
"""Every service, in the order in which one process starts them."""
VERSION = "0.1.0"


def build(settings: Settings, names: Sequence[str]) -> tuple[Runtime, list[ServiceApp]]:
    """Wire the named services of one process."""
    own_name = names[0] if len(names) == 1 else "tunescout"
    runtime = Runtime(
        settings=settings,
        bus=event_bus(settings, own_name, os.environ.get("TUNESCOUT_MATCHER_REPLICA")),
        blobs=blob_store(settings),
        keys=PublishedKeys(None if "auth" in names else f"{settings.urls.auth}/v1/auth/keys"),
        open_table=lambda spec: table(settings, spec),
        hosted=frozenset(names),
    )
    return runtime, [_build_one(name, runtime) for name in names]


def _build_one(name: str, runtime: Runtime) -> ServiceApp:
    with _explained():
        return cast("ServiceApp", import_module(f"services.{name}.main").build(runtime))


def application(settings: Settings, names: Sequence[str]) -> tuple[FastAPI, Process]:
    """Return the HTTP application that hosts the named services."""
    runtime, services = build(settings, names)
    process = Process(runtime, services)
    return web_app(process, runtime, services, title="Tune Scout", version=VERSION), process


def run(names: Sequence[str]) -> None:
    """Run services until the process is told to stop.

    Raises
    ------
    SystemExit
        A name is unknown, a service alone has no broker, or something failed that must be seen.
    """
    chosen = [name for name in SERVICES if name in names] if names else list(SERVICES)
    unknown = sorted(set(names) - set(SERVICES))
    if unknown:
        raise SystemExit(f"there is no service {', '.join(unknown)}; choose from {', '.join(SERVICES)}")
    settings = _settings(is_gateway="gateway" in chosen)
    if len(chosen) < len(SERVICES) and settings.broker_url is None:
        raise SystemExit("a service alone needs a broker: set TUNESCOUT_BROKER_URL, or run all services in one process")
    configure_logging(settings, chosen[0] if len(chosen) == 1 else "tunescout")
    app, process = application(settings, chosen)
    allow_many_connections()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            http=protocol(app.state.is_proxy),
            ws="none",
            proxy_headers=False,  # the application reads them itself, and sees who has sent them
            # Streams of events do not end by themselves.
            timeout_graceful_shutdown=max(1, round(settings.graceful_stop_s)),
        )
    )

    def stop() -> None:
        server.should_exit = True

    process.on_failure = stop
    server.run()
    if process.failure is not None or not server.started:
        raise SystemExit(1)


def _settings(*, is_gateway: bool) -> Settings:
    with _explained():
        settings = Settings()
    refuse_exposure(settings, os.environ, is_gateway=is_gateway)
    return settings


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn wrong settings into a sentence that names them, and shows no value."""
    try:
        yield
    except ValidationError as error:
        service = error.title.removesuffix("Settings").upper()  # `AuthSettings` are TUNESCOUT_AUTH_...
        prefix = f"TUNESCOUT_{service}_" if service else "TUNESCOUT_"
        wrong = {f"{prefix}{'__'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()}
        raise SystemExit("; ".join(sorted(wrong))) from None
    except SettingsError as error:
        raise SystemExit(str(error)) from None


async def declare() -> None:
    """Make the bucket, the tables, and every queue with its binding, so that no event is published before its queue."""
    # Auth hears nothing and makes its table itself, so that whoever declares needs no signing key.
    runtime, services = build(_settings(is_gateway=False), [name for name in SERVICES if name != "auth"])
    await runtime.blobs.open()
    for one in runtime.tables.values():
        await one.create()
    await runtime.bus.connect()
    try:
        for subscription in _subscriptions(services):
            if not subscription.private and not _is_sharded(subscription):
                await runtime.bus.declare(subscription)
    finally:
        await runtime.bus.close()
        await runtime.blobs.close()
        for one in runtime.tables.values():
            await one.close()


def subscriptions() -> list[Subscription[Any]]:
    """Return everything that all services hear."""
    return _subscriptions(build(Settings(), SERVICES)[1])


def _subscriptions(services: Sequence[ServiceApp]) -> list[Subscription[Any]]:
    return [one for service in services for one in (*service.subscriptions, *service.later)]


def _is_sharded(subscription: Subscription[Any]) -> bool:
    # How many shards there are is known to the matchers alone, and a question without them has no answer anyway.
    return subscription.queue.startswith("matcher.")


def rotate_keys() -> str | None:
    """Let the next key sign tokens: in the data folder, or, where the keys are configured, in the text returned."""
    from services.auth.keys import FILE_NAME, rotated
    from services.auth.settings import AuthSettings

    configured = AuthSettings().signing_key
    if configured is not None:
        return rotated(configured.get_secret_value().encode()).decode()
    path = Settings().data_dir / FILE_NAME
    if not path.exists():
        raise Rejected("no_keys", f"there are no keys in {path.parent}: they are made when the service starts")
    write_private(path, rotated(path.read_bytes()))
    return None


async def import_accounts(text: str) -> Imported:
    """Add the accounts of an older system to the store that the settings name, whether the service runs or not.

    Raises
    ------
    Rejected
        Some lines are no accounts; then nothing was added.
    """
    from services.auth.importing import import_accounts, read_accounts
    from services.auth.store import ACCOUNTS, AccountStore

    settings = Settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    accounts = table(settings, ACCOUNTS)
    try:
        await accounts.create()
        store = AccountStore(accounts, Outbox(accounts, ACCOUNTS.indexes[0], MemoryBus(None)))
        return await import_accounts(store, read_accounts(text))
    finally:
        await accounts.close()


@contextlib.asynccontextmanager
async def open_bus() -> AsyncIterator[EventBus]:
    """Connect to the bus that the settings name, as an operator."""
    bus = event_bus(Settings(), "operator")
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.close()


def openapi() -> dict[str, Any]:
    """Return the OpenAPI document of the whole service."""
    app, _ = application(Settings(), SERVICES)
    return app.openapi()
