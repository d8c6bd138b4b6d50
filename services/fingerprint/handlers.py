"""What does the fingerprint service hear?"""

from __future__ import annotations

from typing import Any

from services.fingerprint.service import FingerprintService
from services.fingerprint.settings import FingerprintSettings
from shared.events import QuerySubmitted, SongDeleted, SongDuplicateDetected, SongRejected, SongUploaded
from shared.messaging.bus import Subscription

QUERY_TTL_S = 30.0


def subscriptions(service: FingerprintService, settings: FingerprintSettings) -> list[Subscription[Any]]:
    """Return what this service hears."""
    return [
        Subscription(
            SongUploaded,
            service.on_song_uploaded,
            queue="fingerprint.song-uploaded",
            # One more than there are workers, so that a download runs while all of them decode.
            prefetch=settings.song_workers + 1,
        ),
        Subscription(
            QuerySubmitted,
            service.on_query_submitted,
            queue="fingerprint.query-submitted",
            prefetch=settings.clip_workers + 1,
            ttl_s=QUERY_TTL_S,
        ),
        Subscription(SongDuplicateDetected, service.on_song_ended, queue="fingerprint.song-duplicate-detected"),
        Subscription(SongRejected, service.on_song_ended, queue="fingerprint.song-rejected"),
        Subscription(SongDeleted, service.on_song_ended, queue="fingerprint.song-deleted"),
    ]
