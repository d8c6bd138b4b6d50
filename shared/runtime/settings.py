"""Which settings does every process share?

Each is an environment variable ``TUNESCOUT_<NAME>``, nested ones with two underscores: ``TUNESCOUT_BLOBS__BUCKET``. A
service's own settings live beside it. Credentials for S3 and DynamoDB come from the usual AWS chain.
"""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, IPvAnyNetwork, SecretStr, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#@*\s]+$")]


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "tunescout"


def _private_networks() -> list[IPvAnyNetwork]:
    """Return where no stranger is: this machine, and networks that the internet does not reach (RFC 6890)."""
    names = ("127.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
    return [ip_network(name) for name in names]


class TableSettings(BaseModel):
    """Where items are kept."""

    kind: Literal["sqlite", "dynamodb"] = Field("sqlite", description="A file in the data folder, or DynamoDB.")
    prefix: str = Field("tunescout-", description="Begins the name of every DynamoDB table.")
    endpoint_url: str | None = Field(None, description="DynamoDB endpoint; unset for AWS itself.")
    region: str = Field("eu-central-1", description="AWS region of the tables.")


class BlobSettings(BaseModel):
    """Where audio is kept."""

    kind: Literal["folder", "s3"] = Field("folder", description="A folder in the data folder, or an S3 bucket.")
    bucket: str = Field("tunescout", description="The private bucket.")
    endpoint_url: str | None = Field(None, description="S3 endpoint as the services see it; unset for AWS itself.")
    public_endpoint_url: str | None = Field(
        None, description="S3 endpoint as clients see it, for presigned URLs; unset means the same."
    )
    region: str = Field("eu-central-1", description="AWS region of the bucket.")
    url_key: SecretStr | None = Field(
        None, description="Signs URLs of the folder. Unset, it is made in the data folder; only `local` allows that."
    )
    cors_origins: list[Origin] = Field(
        default_factory=list, description="Origins of pages that may use the bucket alone."
    )


class ServiceUrls(BaseModel):
    """Where the gateway finds the services that it does not host itself."""

    ingest: str = Field("http://127.0.0.1:8001", description="Base URL of the ingest service.")
    streaming: str = Field("http://127.0.0.1:8002", description="Base URL of the streaming service.")
    auth: str = Field("http://127.0.0.1:8003", description="Base URL of the auth service.")


class Settings(BaseSettings):
    """Settings of every process."""

    model_config = SettingsConfigDict(
        env_prefix="TUNESCOUT_", env_nested_delimiter="__", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    environment: Literal["local", "production"] = Field(
        "local", description="Outside `local`, a process refuses to start with settings that would let strangers in."
    )
    data_dir: Path = Field(default_factory=_default_data_dir, description="Folder for everything kept on this machine.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, description="Port to listen on, for HTTP and probes alike.", ge=0, le=65535)
    public_url: str | None = Field(None, description="The gateway as clients see it; unset means host and port.")
    cors_origins: list[Origin] = Field(
        default_factory=list,
        description="Origins of further pages that may use the API and the bucket; those that we serve may anyway.",
    )
    trusted_proxies: list[str] = Field(
        default_factory=lambda: ["127.0.0.1"],
        description="Addresses and networks in front of the gateway whose `X-Forwarded-For` is believed.",
    )
    metrics_networks: list[IPvAnyNetwork] = Field(
        default_factory=_private_networks,
        description="Networks whose addresses may read `/metrics`; to all others, and behind proxies, there is none.",
    )
    broker_url: SecretStr | None = Field(None, description="amqp:// URL of RabbitMQ; unset keeps events in memory.")
    tables: TableSettings = Field(default_factory=TableSettings, description="Where items are kept.")
    blobs: BlobSettings = Field(default_factory=BlobSettings, description="Where audio is kept.")
    urls: ServiceUrls = Field(default_factory=ServiceUrls, description="Where services find each other.")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="`auto` is json without a terminal.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    graceful_stop_s: float = Field(15.0, description="How long running work may finish when the process stops.")

    def public_base(self) -> str:
        """Return the URL under which clients reach the gateway."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    def page_origins(self) -> list[str]:
        """Return the origins of pages that may use the API from other origins."""
        own = _origin(self.public_base())
        names = [own, own.replace("127.0.0.1", "localhost")]  # whoever sits at the machine calls it by either name
        return list(dict.fromkeys([*names, *self.cors_origins]))

    def bucket_origin(self) -> str:
        """Return the origin of presigned URLs."""
        if self.blobs.kind == "folder":
            return _origin(self.public_base())
        endpoint_url = self.blobs.public_endpoint_url or self.blobs.endpoint_url
        return _origin(endpoint_url or f"https://s3.{self.blobs.region}.amazonaws.com")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
