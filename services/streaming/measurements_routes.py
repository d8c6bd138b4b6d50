"""What can a client ask over HTTP of how a song sounds and looks?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from services.streaming.measuring import MeasurementService
from services.streaming.pictures import SVG, waveform_svg
from services.streaming.settings import StreamingSettings
from services.streaming.waveform import PAIRS, WaveformPairs
from shared.runtime.identity import SignedIn
from shared.runtime.problems import PROBLEM_RESPONSES

SongId = Annotated[str, Path(max_length=64)]
Target = Annotated[float | None, Query(ge=-40, le=-5, description="What to aim at, in LUFS; by default a setting.")]
RETRY_AFTER_S = 3
_CACHING = {"Cache-Control": "private, max-age=3600"}


class LoudnessBody(BaseModel):
    """How loud a song is (EBU R 128), and the gain that makes it as loud as the others."""

    integrated_lufs: float | None = Field(description="Null where nothing in it is above -70 LUFS.")
    range_lu: float
    true_peak_dbtp: float | None = Field(description="Null for digital silence.")
    target_lufs: float
    gain_db: float = Field(description="For the player to apply; never lifts the true peak above -1 dBTP.")


class WaveformBody(BaseModel):
    """The outline of a song: the lowest and the highest sample of each of 1,800 stretches of equal length."""

    bits: Literal[8] = 8
    length: int = Field(PAIRS, description="How many pairs there are.")
    data: list[int] = Field(description="Minimum, maximum, minimum, maximum, ...; full scale at 127.")

    @classmethod
    def of(cls, waveform: WaveformPairs) -> WaveformBody:
        """Return the HTTP form."""
        return cls(data=np.stack([waveform.minima, waveform.maxima], axis=1).reshape(-1).tolist())


class BeingMeasured(BaseModel):
    """The song is being measured; ask again after `Retry-After` seconds."""

    status: Literal["being_measured"] = "being_measured"


def measurement_routes(service: MeasurementService, settings: StreamingSettings) -> APIRouter:
    """Return the routes below ``/v1/songs/{song_id}``."""
    waiting: dict[int | str, dict[str, Any]] = {202: {"model": BeingMeasured, "description": "Ask again later."}}
    responses = PROBLEM_RESPONSES | waiting
    router = APIRouter(prefix="/v1/songs/{song_id}", tags=["playback"], responses=responses)

    @router.get("/loudness", response_model=LoudnessBody)
    async def loudness(
        identity: SignedIn, song_id: SongId, response: Response, target_lufs: Target = None
    ) -> LoudnessBody | JSONResponse:
        """Return how loud a song is, and the gain for it."""
        found = await service.of(identity.user_id, song_id)
        if found is None:
            return _being_measured()
        target = settings.target_lufs if target_lufs is None else target_lufs
        response.headers.update(_CACHING)
        return LoudnessBody(
            integrated_lufs=found.loudness.integrated_lufs,
            range_lu=found.loudness.range_lu,
            true_peak_dbtp=found.loudness.true_peak_dbtp,
            target_lufs=target,
            gain_db=found.loudness.gain_db(target),
        )

    @router.get("/waveform", response_model=WaveformBody)
    async def waveform(identity: SignedIn, song_id: SongId, response: Response) -> WaveformBody | JSONResponse:
        """Return the outline of a song."""
        found = await service.of(identity.user_id, song_id)
        if found is None:
            return _being_measured()
        response.headers.update(_CACHING)
        return WaveformBody.of(found.waveform)

    @router.get("/waveform.svg", response_class=Response, responses={200: {"content": {SVG: {}}}})
    async def waveform_picture(identity: SignedIn, song_id: SongId) -> Response:
        """Return the outline of a song as a picture."""
        found = await service.of(identity.user_id, song_id)
        if found is None:
            return _being_measured()
        return Response(waveform_svg(found.waveform), media_type=SVG, headers=_CACHING)

    return router


def _being_measured() -> JSONResponse:
    return JSONResponse(BeingMeasured().model_dump(), 202, headers={"Retry-After": str(RETRY_AFTER_S)})
