"""How is streaming put together?"""

from __future__ import annotations

from fastapi import APIRouter

from services.streaming.handlers import subscriptions
from services.streaming.routes import routes
from services.streaming.service import StreamingService
from services.streaming.settings import StreamingSettings
from services.streaming.store import LISTENING
from shared.catalogue import SONGS, Library
from shared.messaging.outbox import Outbox
from shared.runtime.app import Runtime, ServiceApp


def build(runtime: Runtime) -> ServiceApp:
    """Wire streaming."""
    settings = StreamingSettings()
    library = Library(runtime.table(SONGS))
    table = runtime.table(LISTENING)
    outbox = Outbox(table, LISTENING.indexes[0], runtime.bus)
    service = StreamingService(library, runtime.blobs, runtime.bus, settings)
    router = APIRouter()
    router.include_router(routes(service))
    return ServiceApp("streaming", subscriptions=subscriptions(), router=router, background=[outbox.relay])
