"""Which settings does auth have of its own?"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class AuthSettings(BaseSettings):
    """Settings of the auth service: ``TUNESCOUT_AUTH_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TUNESCOUT_AUTH_", extra="ignore", frozen=True)

    signing_key: SecretStr | None = Field(
        None,
        description="Ed25519 private keys as PEM, oldest first; `tunescout keys rotate` makes the next value. Unset, "
        "they are made in the data folder; only `local` allows that.",
    )
    signup: Literal["open", "invite", "closed"] = Field("open", description="Who may make an account.")
    signup_role: Literal["listener", "contributor"] = Field(
        "contributor", description="What a new account may do without an invite that says it; listeners cannot upload."
    )
    invite_s: int = Field(7 * 86400, ge=1, description="Life of an invite, in seconds.")
    # What happens to an account is felt when its tokens have ended; that it is gone is remembered for a day.
    access_token_s: int = Field(600, ge=1, le=3600, description="Life of an access token, in seconds; an hour at most.")
    refresh_token_s: int = Field(30 * 86400, ge=1, description="Life of an unused refresh token, in seconds.")
    refresh_grace_s: float = Field(
        0.0,
        ge=0,
        description="How long the last refresh token may come again after a lost answer, in seconds; with 0, a token "
        "that comes twice always ends its session.",
    )
    wrong_passwords_per_minute: int = Field(
        10, ge=1, le=60_000, description="Wrong passwords and API keys of one address; more are refused with 429."
    )
    signups_per_minute: int = Field(
        60, ge=1, le=60_000, description="New accounts of one address; more are refused with 429."
    )
