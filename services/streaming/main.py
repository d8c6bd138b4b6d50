"""How is streaming put together?"""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter

from services.streaming.equalizer_routes import equalizer_routes
from services.streaming.grants import Grants
from services.streaming.handlers import subscriptions
from services.streaming.measurements import MeasurementStore
from services.streaming.measurements_routes import measurement_routes
from services.streaming.measuring import MeasurementService
from services.streaming.media import MediaService
from services.streaming.media_routes import media_routes
from services.streaming.packager import Packager
from services.streaming.presets import PresetStore
from services.streaming.renderer import Renderer
from services.streaming.renders import RenderStore
from services.streaming.renders_routes import render_routes
from services.streaming.requests import Requests
from services.streaming.routes import routes
from services.streaming.service import StreamingService
from services.streaming.settings import StreamingSettings
from services.streaming.store import LISTENING, PackageStore
from services.streaming.sweeper import Sweeper, sweep_forever
from shared.catalogue import SONGS, Library
from shared.messaging.outbox import Outbox
from shared.runtime.app import Runtime, ServiceApp
from shared.runtime.limits import LIMITS, RateLimits


def build(runtime: Runtime) -> ServiceApp:
    """Wire streaming."""
    settings = StreamingSettings()
    library = Library(runtime.table(SONGS))
    table = runtime.table(LISTENING)
    outbox = Outbox(table, LISTENING.indexes[0], runtime.bus)
    packages = PackageStore(table, outbox)
    sweeper = Sweeper(packages, runtime.blobs)
    measurements = MeasurementStore(table)
    requests = Requests(table, runtime.bus)
    packager = Packager(packages, measurements, library, runtime.blobs, sweeper, requests, settings)
    grants = Grants(packages.grant_key)
    service = StreamingService(library, packages, grants, runtime.blobs, runtime.bus, requests, settings)
    presets = PresetStore(table)
    renderer = Renderer(RenderStore(table, outbox), library, runtime.blobs, settings)
    measuring = MeasurementService(measurements, library, runtime.blobs, requests, settings)
    limits = RateLimits(runtime.table(LIMITS))
    router = APIRouter()
    router.include_router(routes(service, limits, settings, runtime.settings.public_base()))
    router.include_router(media_routes(MediaService(grants, library, runtime.blobs, settings), settings))
    router.include_router(equalizer_routes(presets, library))
    router.include_router(measurement_routes(measuring, settings))
    router.include_router(render_routes(renderer, presets, limits, settings))
    return ServiceApp(
        "streaming",
        subscriptions=subscriptions(packager, measuring, renderer, presets, settings),
        router=router,
        background=[
            outbox.relay,
            *(
                partial(sweep_forever, sweep, pause_s=settings.sweep_pause_s)
                for sweep in (sweeper.sweep, renderer.sweep)
            ),
        ],
    )
