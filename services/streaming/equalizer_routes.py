"""What can a client ask about the equalizer over HTTP?"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from services.streaming.equalizer import Equalizer, EqualizerSettings, SettingsBody, equalizer, frequencies_hz
from services.streaming.pictures import SVG, response_svg
from services.streaming.presets import MAX_NAME, Choice, Preset, PresetChanged, PresetName, PresetStore, Seen
from shared.catalogue import Library
from shared.errors import Rejected
from shared.runtime.identity import SignedIn
from shared.runtime.problems import PROBLEM_RESPONSES, Problem, problem

SongId = Annotated[str, Path(max_length=64)]
Name = Annotated[PresetName, Path(min_length=1, max_length=MAX_NAME, description="For example `vocal` or `My car`.")]
IfMatch = Annotated[
    str | None, Header(max_length=1000, description="The `ETag` of the version that is changed, or `*` for any.")
]
IfNoneMatch = Annotated[Literal["*"] | None, Header(description="`*`: only if there is none of this name.")]
_CHANGES = {"precondition_required": 428, "precondition_failed": 412}


class Asked(EqualizerSettings):
    """Settings, or the name of a preset, and a sample rate."""

    preset: PresetName | None = Field(None, min_length=1, max_length=MAX_NAME, description="Instead of settings.")
    sample_rate_hz: int = Field(44_100, ge=8_000, le=192_000, description="The rate that coefficients are for, in Hz.")


class Section(BaseModel):
    """One second-order section, as an `IIRFilterNode` takes it."""

    feedforward: list[float] = Field(description="b0, b1, b2.")
    feedback: list[float] = Field(description="a0, which is 1, a1, a2.")


class EqualizerResponse(BaseModel):
    """What an equalizer does: what to compute, and what to draw."""

    settings: EqualizerSettings
    sample_rate_hz: int
    sections: list[Section] = Field(description="To be run one after the other; none where everything is 0 dB.")
    headroom_db: float = Field(description="How much quieter everything is made, so that boosts do not clip, in dB.")
    gain: float = Field(description="The factor that `headroom_db` means; comes after the sections.")
    frequencies_hz: list[float] = Field(description="400 frequencies from 20 Hz to 20 kHz.")
    response_db: list[float] = Field(description="What happens to each of them, in dB, headroom included.")

    @classmethod
    def of(cls, settings: EqualizerSettings, worked_out: Equalizer) -> EqualizerResponse:
        """Return the HTTP form."""
        frequencies = frequencies_hz()
        return cls(
            settings=settings,
            sample_rate_hz=worked_out.sample_rate_hz,
            sections=[Section(feedforward=list(one[:3]), feedback=list(one[3:])) for one in worked_out.sections],
            headroom_db=worked_out.headroom_db,
            gain=worked_out.gain,
            frequencies_hz=frequencies.round(3).tolist(),
            response_db=worked_out.response_db(frequencies).round(4).tolist(),
        )


class PresetBody(BaseModel):
    """Settings with a name."""

    name: str
    settings: EqualizerSettings
    etag: str = Field(description="Send it as `If-Match` to change this version.")
    is_built_in: bool

    @classmethod
    def of(cls, preset: Preset) -> PresetBody:
        """Return the HTTP form."""
        return cls(name=preset.name, settings=preset.settings, etag=preset.etag, is_built_in=preset.is_built_in)


class PresetList(BaseModel):
    """All presets that somebody can choose, the built-in ones first."""

    presets: list[PresetBody]
    default: str = Field(description="The one for songs that have none of their own.")


class PresetProblem(Problem):
    """A preset that was changed meanwhile, and what it is now."""

    current: PresetBody | None = None


class ChosenPreset(BaseModel):
    """The preset that plays, and who chose it."""

    preset: PresetBody
    chosen_for: Literal["song", "default", "nothing"]

    @classmethod
    def of(cls, choice: Choice) -> ChosenPreset:
        """Return the HTTP form."""
        return cls(preset=PresetBody.of(choice.preset), chosen_for=choice.chosen_for)


class NewChoice(BaseModel):
    """The name of the preset to be played."""

    model_config = ConfigDict(extra="forbid")

    preset: PresetName = Field(min_length=1, max_length=MAX_NAME)


def equalizer_routes(presets: PresetStore, library: Library) -> APIRouter:
    """Return the routes under ``/v1/equalizer``, and ``/v1/songs/{song_id}/equalizer``."""
    router = APIRouter(prefix="/v1", tags=["equalizer"], responses=PROBLEM_RESPONSES)

    async def worked_out(user_id: str, asked: Asked) -> tuple[EqualizerSettings, Equalizer]:
        given = asked.model_dump(exclude={"preset", "sample_rate_hz"})
        settings = EqualizerSettings(**given)
        if asked.preset is not None:
            if settings != EqualizerSettings():
                raise Rejected("preset_or_settings", "ask for a preset or for settings, not for both")
            settings = (await presets.get(user_id, asked.preset)).settings
        return settings, equalizer(settings, asked.sample_rate_hz)

    @router.get("/equalizer/response")
    async def response(identity: SignedIn, asked: Annotated[Asked, Query()]) -> EqualizerResponse:
        """Return coefficients and response of settings, or of a preset, for a sample rate."""
        return EqualizerResponse.of(*await worked_out(identity.user_id, asked))

    @router.get("/equalizer/response.svg", response_class=Response, responses={200: {"content": {SVG: {}}}})
    async def response_picture(identity: SignedIn, asked: Annotated[Asked, Query()]) -> Response:
        """Return the same response as a picture."""
        _, made = await worked_out(identity.user_id, asked)
        return Response(response_svg(made), media_type=SVG)

    @router.get("/equalizer/presets")
    async def list_presets(identity: SignedIn) -> PresetList:
        """Return the built-in presets and your own."""
        default = await presets.chosen(identity.user_id, None)
        found = await presets.all(identity.user_id)
        return PresetList(presets=[PresetBody.of(one) for one in found], default=default.preset.name)

    @router.get("/equalizer/presets/{name}")
    async def get_preset(identity: SignedIn, name: Name, response: Response) -> PresetBody:
        """Return a preset, with its `ETag`."""
        found = await presets.get(identity.user_id, name)
        response.headers["ETag"] = found.etag
        return PresetBody.of(found)

    @router.put(
        "/equalizer/presets/{name}",
        response_model=PresetBody,
        responses={201: {"model": PresetBody, "description": "It is new."}, **_conflicts()},
    )
    async def put_preset(
        request: Request,
        identity: SignedIn,
        name: Name,
        settings: SettingsBody,
        response: Response,
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
    ) -> PresetBody | JSONResponse:
        """Make a preset, or replace the version that you have seen."""
        preset = Preset.of(name, settings)
        try:
            is_new = await presets.put(identity.user_id, preset, Seen.of(if_match, if_none_match))
        except PresetChanged as changed:
            return _conflict(request, changed)
        response.status_code = 201 if is_new else 200
        response.headers["ETag"] = preset.etag
        return PresetBody.of(preset)

    @router.delete("/equalizer/presets/{name}", status_code=204, response_model=None, responses=_conflicts())
    async def delete_preset(
        request: Request, identity: SignedIn, name: Name, if_match: IfMatch = None
    ) -> Response | JSONResponse:
        """Remove the version of a preset that you have seen."""
        try:
            await presets.delete(identity.user_id, name, Seen.of(if_match, None))
        except PresetChanged as changed:
            return _conflict(request, changed)
        return Response(status_code=204)

    @router.get("/equalizer/default")
    async def get_default(identity: SignedIn) -> ChosenPreset:
        """Return the preset for songs that have none of their own."""
        return ChosenPreset.of(await presets.chosen(identity.user_id, None))

    @router.put("/equalizer/default")
    async def put_default(identity: SignedIn, choice: NewChoice) -> ChosenPreset:
        """Choose the preset for songs that have none of their own."""
        await presets.choose(identity.user_id, choice.preset, None)
        return ChosenPreset.of(await presets.chosen(identity.user_id, None))

    @router.get("/songs/{song_id}/equalizer")
    async def get_choice(identity: SignedIn, song_id: SongId) -> ChosenPreset:
        """Return the preset that plays a song to you: its own, your default, or flat."""
        await library.require(song_id, identity.user_id)
        return ChosenPreset.of(await presets.chosen(identity.user_id, song_id))

    @router.put("/songs/{song_id}/equalizer")
    async def put_choice(identity: SignedIn, song_id: SongId, choice: NewChoice) -> ChosenPreset:
        """Choose the preset that plays a song to you."""
        await library.require(song_id, identity.user_id)
        await presets.choose(identity.user_id, choice.preset, song_id)
        return ChosenPreset.of(await presets.chosen(identity.user_id, song_id))

    @router.delete("/songs/{song_id}/equalizer", status_code=204)
    async def delete_choice(identity: SignedIn, song_id: SongId) -> None:
        """Let your default play a song again."""
        await library.require(song_id, identity.user_id)
        await presets.unchoose(identity.user_id, song_id)

    return router


def _conflicts() -> dict[int | str, dict[str, object]]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/PresetProblem"}}}
    return {
        412: {"model": PresetProblem, "description": "It was changed meanwhile.", "content": content},
        428: {
            "model": PresetProblem,
            "description": "There is one; say which version you have seen.",
            "content": content,
        },
    }


def _conflict(request: Request, changed: PresetChanged) -> JSONResponse:
    """Return what is there, so that a client can merge without asking again."""
    status, current = _CHANGES[changed.code], changed.current
    detail = "another device has changed this preset; `current` is what it is now"
    if changed.code == "precondition_required":
        detail = "there is a preset of this name; send its ETag as If-Match to replace it"
    elif current is None:
        detail = "there is no preset of this name any more"
    answer = problem(request, status, changed.code, detail, PresetProblem, current=current and PresetBody.of(current))
    if current is not None:
        answer.headers["ETag"] = current.etag
    return answer
