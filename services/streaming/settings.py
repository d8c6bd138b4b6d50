"""Which settings does streaming have of its own?"""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class StreamingSettings(BaseSettings):
    """Settings of the streaming service: ``TUNESCOUT_STREAMING_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TUNESCOUT_STREAMING_", extra="ignore", frozen=True)

    url_s: int = Field(
        900, ge=1, description="Life of a presigned playback URL beyond the length of the song, in seconds."
    )
    grant_s: int = Field(
        4 * 3600,
        ge=1,
        description="How long a pause may be, in seconds: the life of a grant beyond the length of the song.",
    )
    segment_url_s: int = Field(60, ge=20, description="Life of the presigned URL of one segment, in seconds.")
    segment_links: Literal["redirect", "presigned"] = Field(
        "redirect",
        description="Segments in HLS playlists: redirected one by one, or presigned all at once.",
    )
    package_new_songs: bool = Field(
        True, description="Package every song as soon as it is ready; otherwise only those that somebody asks for."
    )
    package_workers: int = Field(1, ge=1, description="Songs packaged at the same time.")
    package_deadline_s: float = Field(1800.0, description="How long packaging a song may take, in seconds.")
    package_memory_bytes: int = Field(2 * 1024**3, description="Address space of a packaging process, in bytes.")
    max_song_s: float = Field(7200.0, description="Longest song that is packaged, in seconds.")
    target_lufs: float = Field(-18.0, ge=-40, le=-5, description="Loudness that players are told to aim at, in LUFS.")
    measure_deadline_s: float = Field(300.0, description="How long measuring a song may take, in seconds.")
    render_workers: int = Field(1, ge=1, description="Equalized files made at the same time.")
    render_deadline_s: float = Field(900.0, description="How long making an equalized file may take, in seconds.")
    render_memory_bytes: int = Field(2 * 1024**3, description="Address space of a rendering process, in bytes.")
    render_max_bytes: int = Field(3 * 1024**3, description="Longest equalized file, in bytes.")
    render_life_s: int = Field(
        7 * 86400, ge=60, description="How long an equalized file stays after somebody asked for it, in seconds."
    )
    renders_per_user: int = Field(
        10, ge=1, description="Equalized files that are made, or wait to be, for one user; more are refused with 429."
    )
    renders_per_minute: int = Field(
        60, ge=1, le=60_000, description="Equalized files that one user may ask for; more are refused with 429."
    )
    plays_per_minute: int = Field(
        600, ge=1, le=60_000, description="Songs that one user may begin to play; more are refused with 429."
    )
    packages_per_minute: int = Field(
        60, ge=1, le=60_000, description="Songs that one user may have packaged again; more are refused with 429."
    )
    sweep_pause_s: float = Field(300.0, description="Pause between two looks for what is to be removed, in seconds.")
