"""How is streaming put together?"""

from __future__ import annotations

from fastapi import APIRouter

from services.streaming.grants import Grants
from services.streaming.handlers import subscriptions
from services.streaming.measurements import MeasurementStore
from services.streaming.media import MediaService
from services.streaming.media_routes import media_routes
from services.streaming.packager import Packager
from services.streaming.routes import routes
from services.streaming.service import StreamingService
from services.streaming.settings import StreamingSettings
from services.streaming.store import LISTENING, PackageStore
from services.streaming.sweeper import Sweeper
from shared.catalogue import SONGS, Library
from shared.messaging.outbox import Outbox
from shared.runtime.app import Runtime, ServiceApp


def build(runtime: Runtime) -> ServiceApp:
    """Wire streaming."""
    settings = StreamingSettings()
    library = Library(runtime.table(SONGS))
    table = runtime.table(LISTENING)
    outbox = Outbox(table, LISTENING.indexes[0], runtime.bus)
    packages = PackageStore(table, outbox)
    sweeper = Sweeper(packages, runtime.blobs, settings)
    packager = Packager(packages, MeasurementStore(table), library, runtime.blobs, sweeper, settings)
    grants = Grants(packages.grant_key)
    service = StreamingService(library, packages, grants, runtime.blobs, runtime.bus, settings)
    router = APIRouter()
    router.include_router(routes(service, runtime.settings.public_base()))
    router.include_router(media_routes(MediaService(grants, runtime.blobs, settings), settings))
    return ServiceApp(
        "streaming",
        subscriptions=subscriptions(packager, settings),
        router=router,
        background=[outbox.relay, sweeper.run],
    )
