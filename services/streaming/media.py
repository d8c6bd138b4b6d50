"""What does a player with a grant get to see of a package?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from services.streaming.grants import Grant, Grants
from services.streaming.manifests import (
    DASH,
    DASH_TYPE,
    HLS_TYPE,
    MASTER,
    dash_manifest,
    master_playlist,
    media_playlist,
    playlist_name,
)
from services.streaming.package import DESCRIPTION, Package, Rendition, init_name, package_prefix, segment_name
from services.streaming.settings import StreamingSettings
from shared.catalogue import Library
from shared.errors import Rejected
from shared.storage.blobs import BlobStore

_AUDIO = re.compile(r"[0-9]+k/(init\.mp4|[0-9]{5}\.m4s)")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A playlist or manifest, and its content type."""

    text: str
    content_type: str


class MediaService:
    """Renders manifests, and signs segments. Every call raises `Rejected` (status 403) without a good grant."""

    def __init__(self, grants: Grants, library: Library, blobs: BlobStore, settings: StreamingSettings) -> None:
        self._grants = grants
        self._library = library
        self._blobs = blobs
        self._settings = settings

    async def check(self, token: str, song_id: str, package_id: str, user_id: str | None) -> Grant:
        """Return the grant that a token proves; whoever says who they are must be the one whom it was given to."""
        grant = await self._grants.check(token, song_id, package_id)
        if user_id is not None and user_id != grant.user_id:
            raise Rejected("grant_invalid", "the grant is somebody else's", status=403)
        return grant

    async def manifest(self, grant: Grant, name: str) -> Manifest:
        """Return a manifest of the package by its name.

        Whoever does not see the song any more begins no other listening with a grant of before; what plays may end.

        Raises
        ------
        Rejected
            They see no such song any more, there is no such manifest, or the package is gone (status 404).
        """
        await self._library.require(grant.song_id, grant.user_id)
        package = await self._package(grant)
        if name == MASTER:
            return Manifest(master_playlist(package), HLS_TYPE)
        if name == DASH:
            return Manifest(dash_manifest(package), DASH_TYPE)
        for rendition in package.renditions:
            if name == playlist_name(rendition.name):
                return Manifest(await self._media_playlist(grant, package, rendition), HLS_TYPE)
        raise _nothing_here()

    async def _media_playlist(self, grant: Grant, package: Package, rendition: Rendition) -> str:
        if self._settings.segment_links == "redirect":
            return media_playlist(package, rendition)
        numbers = range(1, len(rendition.segments) + 1)
        names = [init_name(rendition.name), *(segment_name(rendition.name, number) for number in numbers)]
        valid_s = max(1, round((grant.expires_at - datetime.now(UTC)).total_seconds()))
        urls = {name: (await self._blobs.sign_get(package.prefix + name, valid_s=valid_s)).url for name in names}
        return media_playlist(package, rendition, urls.__getitem__)

    async def audio_url(self, grant: Grant, name: str) -> str:
        """Return a URL that reads a file of the package, for a minute.

        Raises
        ------
        Rejected
            No package has such a file (status 404).
        """
        if not _AUDIO.fullmatch(name):
            raise _nothing_here()
        # Whether there is such a segment is not looked up: the store knows, and all segments of everybody come by here.
        key = package_prefix(grant.song_id, grant.package_id) + name
        return (await self._blobs.sign_get(key, valid_s=self._settings.segment_url_s)).url

    async def _package(self, grant: Grant) -> Package:
        try:
            stored = await self._blobs.get(package_prefix(grant.song_id, grant.package_id) + DESCRIPTION)
        except Rejected:
            raise _nothing_here() from None
        return Package.model_validate_json(stored)


def _nothing_here() -> Rejected:
    return Rejected("media_not_found", "the package has no such file, or is gone", status=404)
