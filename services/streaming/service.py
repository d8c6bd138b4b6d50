"""Where does a listener get the audio of a song?"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from services.streaming.grants import Grant, Grants
from services.streaming.requests import Requests
from services.streaming.settings import StreamingSettings
from services.streaming.store import Failure, KeptPackage, PackageStore
from shared.catalogue import Library, LibraryEntry
from shared.errors import Rejected, Unavailable
from shared.events import PlaybackStarted, SongPackageRequested
from shared.messaging.bus import EventBus
from shared.runtime.identity import Identity
from shared.storage.blobs import BlobStore, SignedRequest

log = structlog.get_logger()

ASKED_AGAIN_AFTER_S = 3600


@dataclass(frozen=True, slots=True)
class PackagePlayback:
    """A package, and the permission to play it."""

    package: KeptPackage
    grant: Grant
    token: str


@dataclass(frozen=True, slots=True)
class Playback:
    """A song, the request that plays the file as it was uploaded, and its package where it has one."""

    song: LibraryEntry
    request: SignedRequest
    package: PackagePlayback | None


@dataclass(frozen=True, slots=True)
class PackageState:
    """The package of a song, or why it has none; neither while it is still to be made."""

    package: KeptPackage | None
    failure: Failure | None


class StreamingService:
    """Signs playback."""

    def __init__(
        self,
        library: Library,
        packages: PackageStore,
        grants: Grants,
        blobs: BlobStore,
        bus: EventBus,
        requests: Requests,
        settings: StreamingSettings,
    ) -> None:
        self._library = library
        self._packages = packages
        self._grants = grants
        self._blobs = blobs
        self._bus = bus
        self._requests = requests
        self._settings = settings

    async def play(self, user_id: str, song_id: str) -> Playback:
        """Return what plays the song, for as long as one listening takes.

        Raises
        ------
        Rejected
            They see no such song (status 404).
        """
        song = await self._library.require(song_id, user_id)
        request = await self._blobs.sign_get(song.blob_key, valid_s=self._settings.url_s + round(song.duration_s))
        package = await self._play_package(user_id, song_id)
        log.info("playback.started", song_id=song_id, user_id=user_id)
        try:
            await self._bus.publish(PlaybackStarted(song_id=song_id, user_id=user_id))
        except Unavailable as error:
            # Nobody waits for the broker to hear music; only the statistics miss it.
            log.warning("event.dropped", event_name=PlaybackStarted.name, reason=error.reason)
        return Playback(song, request, package)

    async def _play_package(self, user_id: str, song_id: str) -> PackagePlayback | None:
        package = await self._packages.find(song_id)
        if package is None:
            return None
        valid_s = self._settings.grant_s + package.duration_s
        grant, token = await self._grants.give(user_id, song_id, package.package_id, valid_s=valid_s)
        return PackagePlayback(package, grant, token)

    async def package_state(self, user_id: str, song_id: str) -> PackageState:
        """Return the package of a song, or why it has none.

        Raises
        ------
        Rejected
            They see no such song (status 404).
        """
        await self._library.require(song_id, user_id)
        return PackageState(await self._packages.find(song_id), await self._packages.failure(song_id))

    async def request_package(self, owner: Identity, song_id: str) -> None:
        """Have a song packaged anew, unless it waits for that already.

        Raises
        ------
        Rejected
            They see no such song (status 404), or it is somebody else's (status 403).
        """
        song = await self._library.require(song_id, owner.user_id)
        if song.owner != owner.user_id and not owner.is_admin:
            raise Rejected("not_yours", "only its owner may have a song packaged again", status=403)
        await self._packages.forget_failure(song_id)
        event = SongPackageRequested(song_id=song_id, revision=song.revision)
        await self._requests.ask(event, again_after_s=ASKED_AGAIN_AFTER_S)
