"""Which settings does ingest have of its own?"""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.catalogue import Visibility


class IngestSettings(BaseSettings):
    """Settings of the ingest service: ``TUNESCOUT_INGEST_<NAME>``."""

    model_config = SettingsConfigDict(
        env_prefix="TUNESCOUT_INGEST_", env_parse_none_str="none", extra="ignore", frozen=True
    )

    visibility: Visibility = Field(
        "private",
        description="Who sees a new song unless its owner says it: the owner alone, or `shared` with all users.",
    )
    quota_songs: int | None = Field(
        100_000, ge=0, description="Songs that one user may have; `none` for any number. More are refused with 403."
    )
    quota_bytes: int | None = Field(
        1024**4,
        ge=0,
        le=2**52,
        description="Size of all their files in bytes; `none` for any. More is refused with 403.",
    )
    quota_jobs: int | None = Field(
        1000,
        ge=0,
        description="Uploads of one user that are not decided yet; `none` for any. More are refused with 429.",
    )
    max_song_bytes: int = Field(1024**3, description="Largest upload that is accepted, in bytes.")
    uploads_per_minute: int = Field(
        1200, ge=1, le=60_000, description="Uploads that one user may register; more are refused with 429."
    )
    multipart_above_bytes: int = Field(16 * 1024**2, description="Uploads larger than this are made in parts.")
    part_bytes: int = Field(
        5 * 1024**2,
        ge=5 * 1024**2,
        description="Size of a part, in bytes. Parts that were on their way when an upload broke off are sent again.",
    )
    upload_url_s: int = Field(900, description="Life of a presigned upload URL, in seconds.")
    comparison_deadline_s: float = Field(30.0, description="How long the index may take to compare a song, in seconds.")
    stuck_after_s: float = Field(
        3600.0, description="Age after which an unfinished song is announced again, in seconds."
    )
    abandoned_after_s: float = Field(
        86400.0, description="Age after which an unfinished upload is given up, in seconds."
    )
    sweep_pause_s: float = Field(60.0, description="Pause between two looks for stuck songs, in seconds.")
