"""How does a player fetch manifests and segments? Without headers: what it may play is in the path."""

# No `annotations` of the future here: a dependency that is defined in a function is read from the real annotation.

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import RedirectResponse

from services.streaming.grants import Grant
from services.streaming.manifests import DASH_TYPE, HLS_TYPE
from services.streaming.media import MediaService
from services.streaming.settings import StreamingSettings
from shared.runtime.description import OPTIONAL_TOKEN
from shared.runtime.identity import MaybeSignedIn
from shared.runtime.problems import PROBLEM_RESPONSES

Name = Annotated[str, Path(max_length=64)]
Token = Annotated[str, Path(max_length=1000)]
CACHE_MARGIN_S = 10
"""A redirect is forgotten by caches so long before the URL that it leads to expires."""


def media_routes(service: MediaService, settings: StreamingSettings) -> APIRouter:
    """Return the routes below ``/v1/media``."""
    path = "/v1/media/{song_id}/{package_id}/{grant}"
    router = APIRouter(prefix=path, tags=["playback"], responses=PROBLEM_RESPONSES)
    # In a playlist with presigned URLs lies more than a permission that ends with the grant.
    caching = "private, max-age=300" if settings.segment_links == "redirect" else "no-store"

    manifests: dict[int | str, dict[str, Any]] = {200: {"content": {HLS_TYPE: {}, DASH_TYPE: {}}}}

    async def granted(song_id: Name, package_id: Name, grant: Token, identity: MaybeSignedIn) -> Grant:
        return await service.check(grant, song_id, package_id, None if identity is None else identity.user_id)

    @router.get("/{manifest}", response_class=Response, responses=manifests, openapi_extra=OPTIONAL_TOKEN)
    async def manifest(grant: Annotated[Grant, Depends(granted)], manifest: Name) -> Response:
        """Return `master.m3u8` or `128k.m3u8` for HLS, or `manifest.mpd` for DASH."""
        found = await service.manifest(grant, manifest)
        return Response(found.text, media_type=found.content_type, headers={"Cache-Control": caching})

    @router.get("/{rendition}/{file}", status_code=307, response_class=RedirectResponse, openapi_extra=OPTIONAL_TOKEN)
    async def audio(grant: Annotated[Grant, Depends(granted)], rendition: Name, file: Name) -> RedirectResponse:
        """Redirect to a presigned URL of a segment, or of what a player needs before the first one."""
        url = await service.audio_url(grant, f"{rendition}/{file}")
        max_age_s = settings.segment_url_s - CACHE_MARGIN_S
        return RedirectResponse(url, 307, headers={"Cache-Control": f"private, max-age={max_age_s}"})

    return router
