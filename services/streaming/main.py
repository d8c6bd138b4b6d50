"""How is streaming put together?"""

from __future__ import annotations

from services.streaming.routes import routes
from services.streaming.service import StreamingService
from services.streaming.settings import StreamingSettings
from shared.catalogue import SONGS, Library
from shared.runtime.app import Runtime, ServiceApp


def build(runtime: Runtime) -> ServiceApp:
    """Wire streaming."""
    library = Library(runtime.table(SONGS))
    service = StreamingService(library, runtime.blobs, runtime.bus, StreamingSettings())
    return ServiceApp("streaming", router=routes(service))
