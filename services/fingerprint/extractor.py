"""What do the bytes of a file tell? Runs in a worker process, because the bytes may be hostile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from services.fingerprint.constellation import fingerprint_clip, fingerprint_song, warm_up
from shared.audio.decode import DecodeLimits, decode
from shared.audio.tags import Cover, read_tags
from shared.events import AudioFormat, Tags
from shared.fingerprint import SAMPLE_RATE_HZ, Fingerprint

Decoder = Literal["pyav", "ffmpeg"]


@dataclass(frozen=True, slots=True)
class Extract:
    """All that is wanted of a song's file."""

    fingerprint: Fingerprint
    audio_format: AudioFormat
    tags: Tags
    cover: Cover | None


def extract_song(path: Path, limits: DecodeLimits, decoder: Decoder) -> Extract:
    """Read, decode and fingerprint a whole song.

    Raises
    ------
    Rejected
        The file is not audio, damaged, too long, silent or too short.
    """
    decoded = decode(path, sample_rate_hz=SAMPLE_RATE_HZ, limits=limits, decoder=decoder)
    fingerprint = fingerprint_song(decoded.samples)
    described = read_tags(path)
    return Extract(fingerprint, decoded.audio_format, described.tags, described.cover)


def extract_clip(path: Path, limits: DecodeLimits, decoder: Decoder, max_clip_s: float) -> Fingerprint:
    """Decode and fingerprint the beginning of a clip, at query density.

    Raises
    ------
    Rejected
        The clip is not audio, damaged, silent or too short.
    """
    decoded = decode(path, sample_rate_hz=SAMPLE_RATE_HZ, limits=limits, decoder=decoder, max_output_s=max_clip_s)
    return fingerprint_clip(decoded.samples)


def warm_worker() -> None:
    """Load and compile everything in a worker before its first job."""
    warm_up()
