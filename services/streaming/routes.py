"""What can a client ask of streaming over HTTP?"""

# No `annotations` of the future here: a dependency that is defined in a function is read from the real annotation.

from collections.abc import AsyncIterable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path
from fastapi.responses import RedirectResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from services.streaming.manifests import DASH, MASTER
from services.streaming.service import PackagePlayback, PackageState, Playback, StreamingService
from services.streaming.settings import StreamingSettings
from services.streaming.store import KeptPackage
from shared.runtime.identity import SignedIn
from shared.runtime.limits import RateLimits
from shared.runtime.problems import PROBLEM_RESPONSES
from shared.runtime.progress import Step, follow
from shared.runtime.streams import Listening

SongId = Annotated[str, Path(max_length=64)]


class Rendition(BaseModel):
    """One quality of a packaged song."""

    name: str
    bit_rate_bps: int

    @classmethod
    def all_of(cls, package: KeptPackage) -> "list[Rendition]":
        """Return the HTTP form."""
        return [cls(name=one.name, bit_rate_bps=one.bit_rate_bps) for one in package.renditions]


class PackagedStream(BaseModel):
    """Where the song can be streamed adaptively, for a while. The URLs need no token and must be kept private."""

    hls_url: str = Field(description="Master playlist of HLS.")
    dash_url: str = Field(description="Manifest of DASH, over the same segments.")
    expires_at: datetime = Field(description="When the grant in the URLs ends; ask again then.")
    renditions: list[Rendition]


class Stream(BaseModel):
    """Where the audio of a song is, for a while."""

    url: str = Field(description="Presigned GET with ranges; needs no token and must be kept private.")
    expires_at: datetime
    content_type: str
    duration_s: float
    package: PackagedStream | None = Field(None, description="Absent until the song is packaged; `url` always plays.")


class PackageStatus(BaseModel):
    """Whether a song can be streamed adaptively."""

    status: Literal["packaged", "failed", "waiting"]
    package_id: str | None = None
    renditions: list[Rendition] = []
    code: str | None = Field(None, description="Why the song could not be packaged: for programs.")
    reason: str | None = Field(None, description="Why the song could not be packaged: for people.")


def routes(service: StreamingService, limits: RateLimits, settings: StreamingSettings, public_base: str) -> APIRouter:
    """Return the routes below ``/v1/songs/{song_id}``; clients reach the gateway at `public_base`."""
    router = APIRouter(prefix="/v1/songs/{song_id}", tags=["playback"], responses=PROBLEM_RESPONSES)

    @router.get("/stream", response_model=Stream, responses={307: {"description": "With `redirect=true`: the audio."}})
    async def stream(identity: SignedIn, song_id: SongId, redirect: bool = False) -> Stream | RedirectResponse:
        """Return where the song can be played: as it was uploaded and, once packaged, adaptively."""
        await limits.take("play", identity.user_id, per_minute=settings.plays_per_minute)
        playback = await service.play(identity.user_id, song_id)
        if redirect:
            return RedirectResponse(playback.request.url, 307, headers={"Cache-Control": "no-store"})
        return _stream(playback, public_base)

    @router.get("/package")
    async def package(identity: SignedIn, song_id: SongId) -> PackageStatus:
        """Tell whether the song can be streamed adaptively, or why not."""
        return _status(await service.package_state(identity.user_id, song_id))

    @router.post("/package", status_code=202)
    async def package_again(identity: SignedIn, song_id: SongId) -> PackageStatus:
        """Have the song packaged anew. Whoever is playing it goes on with the package that they have."""
        await limits.take("package", identity.user_id, per_minute=settings.packages_per_minute)
        await service.request_package(identity, song_id)
        return _status(await service.package_state(identity.user_id, song_id))

    async def visible(identity: SignedIn, song_id: SongId) -> str:
        await service.package_state(identity.user_id, song_id)
        return song_id

    @router.get("/package/events", response_class=EventSourceResponse)
    async def events(
        identity: Listening,
        song_id: Annotated[str, Depends(visible)],
        last_event_id: Annotated[int, Header(ge=0)] = 0,
    ) -> AsyncIterable[ServerSentEvent]:
        """Follow a song as server-sent events until it is packaged, or turns out not to be packageable."""

        async def step() -> Step:
            status = _status(await service.package_state(identity.user_id, song_id))
            return Step(1 if status.status == "waiting" else 2, status, status.status != "waiting")

        async for event in follow(step, name="package", after=last_event_id):
            yield event

    return router


def _stream(playback: Playback, public_base: str) -> Stream:
    return Stream(
        url=playback.request.url,
        expires_at=playback.request.expires_at,
        content_type=playback.song.content_type,
        duration_s=playback.song.duration_s,
        package=None if playback.package is None else _packaged(playback.package, public_base),
    )


def _packaged(playback: PackagePlayback, public_base: str) -> PackagedStream:
    package = playback.package
    base = f"{public_base}/v1/media/{package.song_id}/{package.package_id}/{playback.token}"
    return PackagedStream(
        hls_url=f"{base}/{MASTER}",
        dash_url=f"{base}/{DASH}",
        expires_at=playback.grant.expires_at,
        renditions=Rendition.all_of(package),
    )


def _status(state: PackageState) -> PackageStatus:
    if state.package is not None:
        renditions = Rendition.all_of(state.package)
        return PackageStatus(status="packaged", package_id=state.package.package_id, renditions=renditions)
    if state.failure is not None:
        return PackageStatus(status="failed", code=state.failure.code, reason=state.failure.reason)
    return PackageStatus(status="waiting")
