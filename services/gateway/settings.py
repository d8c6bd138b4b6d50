"""Which settings does the gateway have of its own?"""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class GatewaySettings(BaseSettings):
    """Settings of the gateway: ``TUNESCOUT_GATEWAY_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TUNESCOUT_GATEWAY_", extra="ignore", frozen=True)

    max_clip_bytes: int = Field(25 * 1024**2, description="Largest clip that is accepted, in bytes.")
    inline_clip_bytes: int = Field(700_000, description="Clips above this size travel through the bucket, in bytes.")
    default_deadline_ms: int = Field(10_000, description="How long a question may take unless it says so itself.")
    max_deadline_ms: int = Field(30_000, description="Longest deadline that a question may ask for.")
    max_queries: int = Field(100, ge=1, description="Questions under way at the same time; more are refused with 503.")
    questions_per_minute: int = Field(
        6000, ge=1, le=60_000, description="Questions of one user; more are refused with 429."
    )
    history_life_s: int = Field(90 * 86400, description="How long answered questions are remembered, in seconds.")
