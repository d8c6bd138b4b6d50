"""What can a client ask of streaming over HTTP?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from services.streaming.service import StreamingService
from shared.runtime.identity import SignedIn
from shared.runtime.problems import PROBLEM_RESPONSES

SongId = Annotated[str, Path(max_length=64)]


class Stream(BaseModel):
    """Where the audio of a song is, for a while."""

    url: str = Field(description="Presigned GET with ranges; needs no token and must be kept private.")
    expires_at: datetime
    content_type: str
    duration_s: float


def routes(service: StreamingService) -> APIRouter:
    """Return the routes below ``/v1/songs/{song_id}``."""
    router = APIRouter(prefix="/v1/songs/{song_id}", tags=["playback"], responses=PROBLEM_RESPONSES)

    @router.get("/stream", response_model=Stream, responses={307: {"description": "With `redirect=true`: the audio."}})
    async def stream(identity: SignedIn, song_id: SongId, redirect: bool = False) -> Stream | RedirectResponse:
        """Return a presigned URL that plays the song, or redirect to it."""
        playback = await service.play(identity.user_id, song_id)
        if redirect:
            return RedirectResponse(playback.request.url, 307, headers={"Cache-Control": "no-store"})
        return Stream(
            url=playback.request.url,
            expires_at=playback.request.expires_at,
            content_type=playback.song.content_type,
            duration_s=playback.song.duration_s,
        )

    return router
