"""How is ingest put together?"""

from __future__ import annotations

from fastapi import APIRouter

from services.ingest.browsing import Browsing
from services.ingest.browsing_routes import browsing_routes
from services.ingest.decision import Decision
from services.ingest.handlers import subscriptions
from services.ingest.routes import routes
from services.ingest.service import IngestService
from services.ingest.settings import IngestSettings
from services.ingest.store import SongStore
from services.ingest.sweeper import Sweeper
from shared.catalogue import SONGS
from shared.messaging.inbox import ReplyInbox
from shared.messaging.outbox import Outbox
from shared.runtime.app import Runtime, ServiceApp
from shared.runtime.audit import Audit
from shared.runtime.limits import LIMITS, RateLimits


def build(runtime: Runtime) -> ServiceApp:
    """Wire ingest."""
    settings = IngestSettings()
    table = runtime.table(SONGS)
    outbox = Outbox(table, SONGS.indexes[0], runtime.bus)
    store = SongStore(table, outbox)
    inbox = ReplyInbox(runtime.bus, "ingest")
    decision = Decision(store, runtime.bus, inbox, deadline_s=settings.comparison_deadline_s)
    service = IngestService(store, runtime.blobs, decision, settings)
    sweeper = Sweeper(service, store, settings)
    router = APIRouter()
    router.include_router(
        routes(service, runtime.blobs, RateLimits(runtime.table(LIMITS)), settings, Audit(runtime.bus))
    )
    router.include_router(browsing_routes(Browsing(table)))
    return ServiceApp(
        "ingest",
        subscriptions=subscriptions(service),
        router=router,
        start=inbox.open,
        background=[outbox.relay, sweeper.run],
    )
