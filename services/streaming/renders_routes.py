"""What can a client ask about renders over HTTP?"""

# No `annotations` of the future here: a dependency that is defined in a function is read from the real annotation.

from collections.abc import AsyncIterable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field

from services.streaming.equalizer import EqualizerSettings, SettingsBody, equalizer
from services.streaming.pictures import SVG, render_svg
from services.streaming.presets import MAX_NAME, PresetName, PresetStore
from services.streaming.renderer import Renderer
from services.streaming.rendering import BitDepth, Format, RenderSpec
from services.streaming.renders import Render, RenderStatus
from services.streaming.settings import StreamingSettings
from shared.errors import Rejected
from shared.runtime.identity import Identity, SignedIn
from shared.runtime.limits import RateLimits
from shared.runtime.problems import PROBLEM_RESPONSES
from shared.runtime.progress import Step, follow
from shared.runtime.streams import Listening
from shared.storage.blobs import SignedRequest

SongId = Annotated[str, Path(max_length=64)]
RenderId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


class NewRender(BaseModel):
    """What is to be made of a song; without a preset and settings, what the equalizer plays of it."""

    model_config = ConfigDict(extra="forbid")

    preset: Annotated[PresetName, Field(min_length=1, max_length=MAX_NAME)] | None = None
    settings: SettingsBody | None = None
    format: Format = "wav"
    bit_depth: BitDepth = 16


class Download(BaseModel):
    """Where a file is, for a while."""

    url: str = Field(description="Presigned GET; needs no token and must be kept private.")
    expires_at: datetime


class RenderFailure(BaseModel):
    """Why there is no file."""

    code: str
    reason: str


class RenderBody(BaseModel):
    """An equalized file of a song."""

    id: str
    song_id: str
    status: Literal["queued", "rendering", "ready", "failed"]
    progress: float = Field(description="How much is done, 0 to 1.")
    settings: EqualizerSettings
    format: Format
    bit_depth: BitDepth
    sample_rate_hz: int | None = Field(description="That of the song; null until it is ready.")
    duration_s: float | None
    headroom_db: float | None = Field(description="How much quieter it was made so that boosts do not clip, in dB.")
    size_bytes: int | None
    expires_at: datetime = Field(description="When it is removed; asking for the same again keeps it.")
    download: Download | None = Field(description="Null until it is ready.")
    failure: RenderFailure | None

    @classmethod
    def of(cls, render: Render, request: SignedRequest | None) -> "RenderBody":
        """Return the HTTP form."""
        failure = None
        if render.code is not None:
            failure = RenderFailure(code=render.code, reason=render.reason or "")
        return cls(
            id=render.render_id,
            song_id=render.song_id,
            status=render.status.value,
            progress=render.progress,
            settings=render.spec.settings,
            format=render.spec.format,
            bit_depth=render.spec.bit_depth,
            sample_rate_hz=render.sample_rate_hz,
            duration_s=render.duration_s,
            headroom_db=render.headroom_db,
            size_bytes=render.size_bytes,
            expires_at=datetime.fromisoformat(render.expires_at),
            download=None if request is None else Download(url=request.url, expires_at=request.expires_at),
            failure=failure,
        )


def render_routes(
    renderer: Renderer, presets: PresetStore, limits: RateLimits, settings: StreamingSettings
) -> APIRouter:
    """Return the routes under ``/v1/songs/{song_id}/renders``."""
    router = APIRouter(prefix="/v1/songs/{song_id}/renders", tags=["equalizer"], responses=PROBLEM_RESPONSES)

    async def body(render: Render) -> RenderBody:
        return RenderBody.of(render, await renderer.download(render))

    async def existing(identity: SignedIn, song_id: SongId, render_id: RenderId) -> Render:
        return await renderer.get(identity.user_id, song_id, render_id)

    async def settings_of(identity: Identity, song_id: str, new: NewRender) -> EqualizerSettings:
        if new.preset is not None and new.settings is not None:
            raise Rejected("preset_or_settings", "ask for a preset or for settings, not for both")
        if new.settings is not None:
            return new.settings
        if new.preset is not None:
            return (await presets.get(identity.user_id, new.preset)).settings
        return (await presets.chosen(identity.user_id, song_id)).preset.settings

    @router.post("", status_code=202, responses={200: {"model": RenderBody, "description": "It is there already."}})
    async def ask(identity: SignedIn, song_id: SongId, new: NewRender, response: Response) -> RenderBody:
        """Have an equalized file made. Asking for the same again returns the same file, made once."""
        await limits.take("render", identity.user_id, per_minute=settings.renders_per_minute)
        wanted = await settings_of(identity, song_id, new)
        spec = RenderSpec(settings=wanted, format=new.format, bit_depth=new.bit_depth)
        render = await renderer.ask(identity.user_id, song_id, spec)
        response.status_code = 200 if render.status is RenderStatus.READY else 202
        response.headers["Location"] = f"/v1/songs/{song_id}/renders/{render.render_id}"
        return await body(render)

    @router.get("/{render_id}")
    async def get(render: Annotated[Render, Depends(existing)]) -> RenderBody:
        """Return a render; once it is ready, with a presigned URL of its file."""
        return await body(render)

    @router.get("/{render_id}/events", response_class=EventSourceResponse)
    async def events(
        identity: Listening,
        render: Annotated[Render, Depends(existing)],
        last_event_id: Annotated[int, Header(ge=0)] = 0,
    ) -> AsyncIterable[ServerSentEvent]:
        """Follow a render as server-sent events until it is ready or has failed."""

        async def step() -> Step:
            now = await renderer.get(identity.user_id, render.song_id, render.render_id)
            return Step(now.revision, await body(now), now.status.is_final)

        async for event in follow(step, name="render", after=last_event_id):
            yield event

    @router.get("/{render_id}/picture.svg", response_class=Response, responses={200: {"content": {SVG: {}}}})
    async def picture(render: Annotated[Render, Depends(existing)]) -> Response:
        """Return a picture of the response, and of the song before and after."""
        outlines = await renderer.outlines(render)
        worked_out = equalizer(render.spec.settings, render.sample_rate_hz or 44_100)
        return Response(render_svg(worked_out, outlines.before, outlines.after), media_type=SVG)

    return router
