"""Where does a listener get the audio of a song?"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from services.streaming.settings import StreamingSettings
from shared.catalogue import Library, LibraryEntry
from shared.errors import Rejected, Unavailable
from shared.events import PlaybackStarted
from shared.messaging.bus import EventBus
from shared.storage.blobs import BlobStore, SignedRequest

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Playback:
    """A song, and the request that plays it."""

    song: LibraryEntry
    request: SignedRequest


class StreamingService:
    """Signs playback."""

    def __init__(self, library: Library, blobs: BlobStore, bus: EventBus, settings: StreamingSettings) -> None:
        self._library = library
        self._blobs = blobs
        self._bus = bus
        self._settings = settings

    async def play(self, user_id: str, song_id: str) -> Playback:
        """Return a request that reads the song, with ranges, for as long as one listening takes.

        Raises
        ------
        Rejected
            There is no such song in the library (status 404).
        """
        song = await self._library.get(song_id)
        if song is None:
            raise Rejected("song_not_found", f"there is no song {song_id} in the library", status=404)
        request = await self._blobs.sign_get(song.blob_key, valid_s=self._settings.url_s + round(song.duration_s))
        log.info("playback.started", song_id=song_id, user_id=user_id)
        try:
            await self._bus.publish(PlaybackStarted(song_id=song_id, user_id=user_id))
        except Unavailable as error:
            # Nobody waits for the broker to hear music; only the statistics miss it.
            log.warning("event.dropped", event_name=PlaybackStarted.name, reason=error.reason)
        return Playback(song, request)
