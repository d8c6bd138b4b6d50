"""What does streaming hear?"""

from __future__ import annotations

from typing import Any

from services.streaming.packager import Packager
from services.streaming.settings import StreamingSettings
from shared.events import SongDeleted, SongPackageRequested, SongReady
from shared.messaging.bus import Subscription


def subscriptions(packager: Packager, settings: StreamingSettings) -> list[Subscription[Any]]:
    """Return what this service hears."""
    # One more than there are workers, so that a download runs while all of them encode.
    prefetch = settings.package_workers + 1
    return [
        Subscription(SongReady, packager.on_song_ready, queue="streaming.song-ready", prefetch=prefetch),
        Subscription(
            SongPackageRequested,
            packager.on_package_requested,
            queue="streaming.song-package-requested",
            prefetch=prefetch,
        ),
        Subscription(SongDeleted, packager.on_song_deleted, queue="streaming.song-deleted"),
    ]
