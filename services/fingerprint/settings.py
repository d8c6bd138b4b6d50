"""Which settings does the fingerprint service have of its own?"""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class FingerprintSettings(BaseSettings):
    """Settings of the fingerprint service: ``TUNESCOUT_FINGERPRINT_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TUNESCOUT_FINGERPRINT_", extra="ignore", frozen=True)

    song_workers: int = Field(
        default_factory=lambda: max(1, os.cpu_count() or 1), ge=1, description="Songs decoded at the same time."
    )
    clip_workers: int = Field(2, ge=1, description="Clips decoded at the same time, whatever the songs do.")
    decoder: Literal["pyav", "ffmpeg"] = Field("pyav", description="PyAV in the worker, or an ffmpeg on the PATH.")
    max_song_s: float = Field(7200.0, description="Longest song that is accepted, in seconds.")
    max_clip_s: float = Field(60.0, description="How much of a clip is listened to, in seconds.")
    song_deadline_s: float = Field(300.0, description="How long the decoder may take for a song, in seconds.")
    clip_deadline_s: float = Field(20.0, description="How long the decoder may take for a clip, in seconds.")
    memory_bytes: int = Field(3 * 1024**3, description="Address space of a decoder process, in bytes.")
