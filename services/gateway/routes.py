"""What can a client ask about clips over HTTP?"""

# No `annotations` of the future here: a limit that comes from the settings is read from the real annotation.

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from services.gateway.schemas import Answer, AnswerPage, ClipLimits
from services.gateway.service import QueryService
from services.gateway.settings import GatewaySettings
from shared.errors import Rejected
from shared.runtime.identity import Asking, SignedIn
from shared.runtime.limits import RateLimits
from shared.runtime.problems import PROBLEM_RESPONSES
from shared.runtime.shares import Shares

QUERY_ID = r"^[0-9A-HJKMNP-TV-Z]{26}$"
"""A ULID; in the partition of a person are other things too, which are no questions of theirs."""
RECEIVE_DEADLINE_S = 60.0
"""How long a clip may take to arrive: meanwhile it holds a place."""
SHARE_OF_PLACES = 4
"""Clips of one user that arrive hold one in so many places, however slowly they come."""

_CLIP_BODY = {
    "requestBody": {
        "required": True,
        "description": "The clip: MP3, WAV, FLAC, OGG, Opus, M4A/AAC or WebM, as it is.",
        "content": {
            "audio/*": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def routes(service: QueryService, limits: RateLimits, settings: GatewaySettings) -> APIRouter:
    """Return the routes under ``/v1/queries``."""
    arriving = Shares(max(1, settings.max_queries // SHARE_OF_PLACES), "clips", retry_after_s=1.0)
    router = APIRouter(prefix="/v1/queries", tags=["queries"], responses=PROBLEM_RESPONSES)

    @router.post("", openapi_extra=_CLIP_BODY)
    async def identify(
        identity: Asking,
        request: Request,
        deadline_ms: Annotated[int | None, Query(ge=100, le=settings.max_deadline_ms)] = None,
        replaces: Annotated[str | None, Query(pattern=QUERY_ID)] = None,
        explain: bool = False,
    ) -> Answer:
        """Name the song of a clip, say where in the song it is, or say that it is not known.

        Whoever asks again about more of the same recording says which question this one `replaces`, so that only the
        last one stays among those that were asked. With `explain` a match tells which peaks
        of the song are in the clip.
        """
        await limits.take("identify", identity.user_id, per_minute=settings.questions_per_minute)
        with service.place(deadline_ms):
            with arriving.place(identity.user_id):
                clip = await _read(request, settings.max_clip_bytes)
            return await service.identify(
                identity.user_id, clip, deadline_ms=deadline_ms, replaces=replaces, explain=explain
            )

    @router.get("")
    async def history(
        identity: SignedIn,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Query(max_length=2000)] = None,
    ) -> AnswerPage:
        """List what you have asked, newest first."""
        queries, following = await service.history(identity.user_id, limit=limit, cursor=cursor)
        return AnswerPage(queries=queries, next_cursor=following)

    @router.get("/limits")
    async def limits_of_clips(identity: SignedIn) -> ClipLimits:
        """Tell how large a clip may be, before somebody sends one in vain."""
        return ClipLimits(max_clip_bytes=settings.max_clip_bytes)

    @router.delete("", status_code=204)
    async def clear(identity: SignedIn) -> None:
        """Forget all that you have asked."""
        await service.clear(identity.user_id)

    @router.delete("/{query_id}", status_code=204)
    async def remove(identity: SignedIn, query_id: Annotated[str, Path(pattern=QUERY_ID)]) -> None:
        """Forget one thing that you have asked."""
        await service.remove(identity.user_id, query_id)

    return router


async def _read(request: Request, limit: int) -> bytes:
    # Counted while it arrives: the declared length may be missing or wrong.
    body = bytearray()
    try:
        async with asyncio.timeout(RECEIVE_DEADLINE_S):
            async for block in request.stream():
                body += block
                if len(body) > limit:
                    raise Rejected(
                        "clip_too_large", f"the clip is larger than {limit} bytes; some seconds are enough", status=413
                    )
    except TimeoutError:
        raise Rejected("clip_too_slow", f"no clip arrived within {RECEIVE_DEADLINE_S:g} s", status=408) from None
    return bytes(body)
