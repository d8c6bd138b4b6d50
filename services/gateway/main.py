"""How is the gateway put together?"""

from __future__ import annotations

from fastapi import APIRouter

from services.gateway.blobs import blob_routes
from services.gateway.handlers import subscriptions
from services.gateway.proxy import Proxy
from services.gateway.routes import routes
from services.gateway.service import QueryService
from services.gateway.settings import GatewaySettings
from services.gateway.store import QUERIES, QueryStore
from services.gateway.web import web_routes
from shared.catalogue import SONGS, Library
from shared.messaging.inbox import ReplyInbox
from shared.runtime.app import Runtime, ServiceApp
from shared.runtime.bodies import LEAST_BYTES, BodyLimit
from shared.runtime.limits import LIMITS, RateLimits
from shared.storage.files import FolderStore


def build(runtime: Runtime) -> ServiceApp:
    """Wire the gateway."""
    settings = GatewaySettings()
    history = QueryStore(runtime.table(QUERIES), life_s=settings.history_life_s)
    inbox = ReplyInbox(runtime.bus, "gateway")
    library = Library(runtime.table(SONGS))
    service = QueryService(runtime.bus, inbox, runtime.blobs, library, history, settings)
    proxy = Proxy(runtime.settings.urls, runtime.hosted)
    router = APIRouter()
    router.include_router(routes(service, RateLimits(runtime.table(LIMITS)), settings))
    if isinstance(runtime.blobs, FolderStore):
        router.include_router(blob_routes(runtime.blobs))
    router.include_router(proxy.router)
    router.include_router(web_routes())
    return ServiceApp(
        "gateway",
        subscriptions=subscriptions(service),
        router=router,
        bodies={
            "/v1/queries": BodyLimit(settings.max_clip_bytes, LEAST_BYTES),
            "/blobs/": BodyLimit(None, LEAST_BYTES),
        },
        start=inbox.open,
        background=[service.forget_clips],
        stop=proxy.close,
    )
