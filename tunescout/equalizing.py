"""How does a file on this machine become an equalized one, without any service?"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from shared.audio.sandbox import SandboxLimits, run_isolated
from shared.audio.source import DecodeLimits
from shared.errors import Rejected
from tunescout.console import Json, perform, say
from tunescout.terminal import clock, printable

if TYPE_CHECKING:  # filters and encoders take a second that no other command should wait for
    from services.streaming.rendering import Rendered, RenderSpec

_AUDIO_LIMITS = DecodeLimits(max_duration_s=24 * 3600.0)
_MAX_BYTES = 64 * 1024**3
_LIMITS = SandboxLimits(wall_clock_s=4 * 3600.0, memory_bytes=2 * 1024**3, file_bytes=2 * _MAX_BYTES)

_Gain = Annotated[float, typer.Option(min=-10, max=10, help="In dB, in steps of 0.5.")]
_Corner = Annotated[float | None, typer.Option(min=20, max=20_000, metavar="HZ", show_default=False)]
_Order = Annotated[int, typer.Option(min=2, max=8, help="Steepness, even: 6 dB per octave and order.")]


def equalize(
    song: Annotated[Path, typer.Argument(metavar="IN", exists=True, dir_okay=False, help="Any audio file.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A .wav, .flac, .mp3 or .m4a file.")],
    bass: _Gain = 0.0,
    mid: _Gain = 0.0,
    treble: _Gain = 0.0,
    high_pass: _Corner = None,
    high_pass_order: _Order = 4,
    low_pass: _Corner = None,
    low_pass_order: _Order = 4,
    band_pass: Annotated[
        tuple[float, float] | None, typer.Option(metavar="HZ HZ", help="Lower and upper corner.", show_default=False)
    ] = None,
    band_pass_order: _Order = 4,
    headroom: Annotated[
        float | None, typer.Option(min=0, max=40, help="Make all quieter by so many dB; by default as boosts need.")
    ] = None,
    bits: Annotated[int, typer.Option(help="16 or 24 bits per sample of WAV and FLAC.")] = 16,
    as_json: Json = False,
) -> None:
    """Equalize an audio file: shelves at 100 Hz and 8 kHz, a peak at 1 kHz, Butterworth filters."""
    from services.streaming.rendering import RenderSpec

    settings = {
        "bass_db": bass,
        "mid_db": mid,
        "treble_db": treble,
        "high_pass_hz": high_pass,
        "high_pass_order": high_pass_order,
        "low_pass_hz": low_pass,
        "low_pass_order": low_pass_order,
        "band_pass_low_hz": band_pass[0] if band_pass else None,
        "band_pass_high_hz": band_pass[1] if band_pass else None,
        "band_pass_order": band_pass_order,
        "headroom_db": headroom,
    }
    try:
        spec = RenderSpec.model_validate(
            {"settings": settings, "format": target.suffix.lower().lstrip("."), "bit_depth": bits}
        )
    except ValidationError as error:
        raise typer.BadParameter("; ".join(_words(one["loc"], one["msg"]) for one in error.errors())) from None
    if not target.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {target.parent}", param_hint="OUT")
    made = perform(_equalize(song.absolute(), target.absolute(), spec))
    fields = {
        "file": os.fsdecode(target),
        "sample_rate_hz": made.sample_rate_hz,
        "duration_s": round(made.duration_s, 3),
        "headroom_db": round(made.headroom_db, 3),
    }
    length = f"{clock(1000 * made.duration_s)} at {made.sample_rate_hz} Hz"
    say(fields, f"{printable(str(target))}: {length}, {made.headroom_db:.1f} dB headroom", as_json=as_json)


def _words(location: tuple[int | str, ...], message: str) -> str:
    name = str(location[-1])
    if name == "format":
        return "the name of OUT must end with .wav, .flac, .mp3 or .m4a"
    option = "" if name == "settings" else f"{name.removesuffix('_db').removesuffix('_hz').replace('_', '-')}: "
    return option + message.removeprefix("Value error, ").lower()


async def _equalize(song: Path, target: Path, spec: RenderSpec) -> Rendered:
    from services.streaming.rendering import render

    # Beside the target until it is whole: what was there before is not lost to a song that turns out to be damaged.
    part = target.with_name(f".{target.name}.part")
    try:
        await asyncio.to_thread(part.touch)
        made = await run_isolated(render, song, part, spec, _AUDIO_LIMITS, _MAX_BYTES, limits=_LIMITS)
        await asyncio.to_thread(part.replace, target)
    except OSError as error:
        raise Rejected("unwritable", f"{target} can't be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            await asyncio.to_thread(part.unlink, missing_ok=True)
    return made
