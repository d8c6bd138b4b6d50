"""Which settings does streaming have of its own?"""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class StreamingSettings(BaseSettings):
    """Settings of the streaming service: ``TUNESCOUT_STREAMING_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TUNESCOUT_STREAMING_", extra="ignore", frozen=True)

    url_s: int = Field(
        900, ge=1, description="Life of a presigned playback URL beyond the length of the song, in seconds."
    )
