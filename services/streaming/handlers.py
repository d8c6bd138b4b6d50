"""What does streaming hear?"""

from __future__ import annotations

from typing import Any

from services.streaming.measuring import MeasurementService
from services.streaming.packager import Packager
from services.streaming.presets import PresetStore
from services.streaming.renderer import Renderer
from services.streaming.settings import StreamingSettings
from shared.events import (
    RenderRequested,
    SongDeleted,
    SongMeasurementRequested,
    SongPackageRequested,
    SongReady,
    UserDeleted,
)
from shared.messaging.bus import Subscription


def subscriptions(
    packager: Packager,
    measuring: MeasurementService,
    renderer: Renderer,
    presets: PresetStore,
    settings: StreamingSettings,
) -> list[Subscription[Any]]:
    """Return what this service hears."""
    # One more than there are workers, so that a download runs while all of them encode.
    prefetch = settings.package_workers + 1

    async def on_song_deleted(event: SongDeleted) -> None:
        await packager.on_song_deleted(event)
        await measuring.on_song_deleted(event)
        await renderer.on_song_deleted(event)

    async def on_user_deleted(event: UserDeleted) -> None:
        await presets.forget(event.user_id)

    return [
        Subscription(SongReady, packager.on_song_ready, queue="streaming.song-ready", prefetch=prefetch),
        Subscription(
            SongPackageRequested,
            packager.on_package_requested,
            queue="streaming.song-package-requested",
            prefetch=prefetch,
        ),
        Subscription(SongDeleted, on_song_deleted, queue="streaming.song-deleted"),
        Subscription(UserDeleted, on_user_deleted, queue="streaming.user-deleted"),
        Subscription(
            SongMeasurementRequested,
            measuring.on_measurement_requested,
            queue="streaming.song-measurement-requested",
            prefetch=2,
        ),
        Subscription(
            RenderRequested,
            renderer.on_render_requested,
            queue="streaming.render-requested",
            prefetch=settings.render_workers + 1,
        ),
    ]
