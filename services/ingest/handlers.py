"""What does ingest hear?"""

from __future__ import annotations

from typing import Any

from services.ingest.service import IngestService
from shared.events import (
    SongDeleted,
    SongDuplicateDetected,
    SongFingerprinted,
    SongFingerprintFailed,
    SongRejected,
    UserDeleted,
)
from shared.messaging.bus import Subscription


def subscriptions(service: IngestService) -> list[Subscription[Any]]:
    """Return what this service hears."""
    return [
        Subscription(SongFingerprinted, service.on_song_fingerprinted, queue="ingest.song-fingerprinted", prefetch=8),
        Subscription(SongFingerprintFailed, service.on_song_fingerprint_failed, queue="ingest.song-fingerprint-failed"),
        Subscription(SongDuplicateDetected, service.on_song_ended, queue="ingest.song-duplicate-detected"),
        Subscription(SongRejected, service.on_song_ended, queue="ingest.song-rejected"),
        Subscription(SongDeleted, service.on_song_ended, queue="ingest.song-deleted"),
        Subscription(UserDeleted, service.on_user_deleted, queue="ingest.user-deleted"),
    ]
