"""Which settings does the matcher have of its own?"""

from __future__ import annotations

import socket

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class MatcherSettings(BaseSettings):
    """Settings of one matcher replica: ``TUNESCOUT_MATCHER_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TUNESCOUT_MATCHER_", extra="ignore", frozen=True)

    shard: int = Field(0, ge=0, description="Which shard this replica holds, from 0.")
    shards: int = Field(1, ge=1, le=1024, description="How many shards there are.")
    replica: str = Field(
        default_factory=socket.gethostname, description="Name of this replica, the same after a restart."
    )
    save_every_s: float = Field(30.0, gt=0, description="How often the index is saved to the data folder, in seconds.")
    compare_every_s: float = Field(
        300.0, gt=0, description="How often the index is compared with the catalogue, in seconds."
    )
    snapshot_every_s: float = Field(
        1800.0, gt=0, description="How often one replica of a shard leaves a snapshot in the bucket, in seconds."
    )
    search_threads: int = Field(2, ge=1, description="Questions searched at the same time.")
