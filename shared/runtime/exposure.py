"""What would let strangers in, if a process started with these settings outside of somebody's own machine?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from shared.runtime.settings import Settings

LEAST_SECRET_LENGTH = 16
# What examples, images and the development files of this repository use.
_KNOWN = re.compile(r"admin|change.?me|default|example|not.?for.?production|password|secret|tunescout", re.IGNORECASE)

_EVERYWHERE = {"*", "0.0.0.0/0", "::/0"}


def refuse_exposure(settings: Settings, environment: Mapping[str, str], *, is_gateway: bool) -> None:
    """Let a process start, or say what to do first.

    Parameters
    ----------
    settings : Settings
        What the process would run with; in the environment `local` all is well.
    environment : mapping
        The environment variables, among which are the credentials of AWS.
    is_gateway : bool
        Whether clients reach this process.

    Raises
    ------
    SystemExit
        Something would let strangers in; the message names each setting and what to do, and no value.
    """
    if settings.environment == "local":
        return
    found = [*_secrets(settings, environment), *_doors(settings, is_gateway=is_gateway)]
    if found:
        reasons = "".join(f"\n  {one}" for one in found)
        raise SystemExit(f"refusing to start in the environment {settings.environment!r}:{reasons}")


def _secrets(settings: Settings, environment: Mapping[str, str]) -> Iterator[str]:
    if settings.broker_url is not None:
        broker = urlsplit(settings.broker_url.get_secret_value())
        if broker.username in (None, "guest") or _is_weak(unquote(broker.password or "")):
            yield (
                "TUNESCOUT_BROKER_URL: make a user of your own in RabbitMQ, with a random password of at least "
                f"{LEAST_SECRET_LENGTH} characters"
            )
    uses_aws = settings.blobs.kind == "s3" or settings.tables.kind == "dynamodb"
    if uses_aws and _is_weak(environment.get("AWS_SECRET_ACCESS_KEY", "unset: the machine has its own")):
        yield "AWS_SECRET_ACCESS_KEY: make a random one, or leave it unset where the machine has credentials of its own"
    if settings.blobs.kind == "folder" and (
        settings.blobs.url_key is None or _is_weak(settings.blobs.url_key.get_secret_value())
    ):
        yield "TUNESCOUT_BLOBS__URL_KEY: set the key that signs URLs of the folder; `openssl rand -hex 32` makes one"


def _doors(settings: Settings, *, is_gateway: bool) -> Iterator[str]:
    keeps_data = settings.blobs.kind == "folder" or settings.tables.kind == "sqlite" or settings.broker_url is None
    if keeps_data and "data_dir" not in settings.model_fields_set:
        yield "TUNESCOUT_DATA_DIR: name the folder, on a disk that is kept and that others can't read"
    if is_gateway and settings.public_url is None:
        yield "TUNESCOUT_PUBLIC_URL: say under which https:// address clients reach the gateway"
    if is_gateway and not _EVERYWHERE.isdisjoint(settings.trusted_proxies):
        yield "TUNESCOUT_TRUSTED_PROXIES: name your proxies; anybody could claim to come from anywhere"
    for name, url in {
        "TUNESCOUT_PUBLIC_URL": settings.public_url,
        "TUNESCOUT_BLOBS__PUBLIC_ENDPOINT_URL": settings.blobs.public_endpoint_url,
    }.items():
        if url is not None and not _is_private_way(url):
            yield f"{name}: use https://, else passwords, tokens and music can be read on the way"


def _is_weak(secret: str) -> bool:
    return len(secret) < LEAST_SECRET_LENGTH or _KNOWN.search(secret) is not None


def _is_private_way(url: str) -> bool:
    parts = urlsplit(url)
    try:
        is_here = ip_address(parts.hostname or "").is_loopback
    except ValueError:
        is_here = parts.hostname == "localhost"
    return parts.scheme == "https" or is_here
