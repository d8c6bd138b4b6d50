"""Which settings does auth have of its own?"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class AuthSettings(BaseSettings):
    """Settings of the auth service: ``TUNESCOUT_AUTH_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TUNESCOUT_AUTH_", extra="ignore", frozen=True)

    signing_key: SecretStr | None = Field(
        None, description="Ed25519 private key as PEM. Unset, one is made in the data folder; only `local` allows that."
    )
    signup: Literal["open", "closed"] = Field("open", description="Whether anybody may make an account.")
    access_token_s: int = Field(600, description="Life of an access token, in seconds.")
    refresh_token_s: int = Field(30 * 86400, description="Life of an unused refresh token, in seconds.")
