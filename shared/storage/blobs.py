"""What can a service ask of the private bucket, whichever store it is?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from shared.errors import Rejected

MAX_KEY_BYTES = 512
MAX_NAME_BYTES = 200
"""Longest name of a download, in UTF-8. File systems take 255; escaped it is part of a URL, three times as long."""

MIN_PART_BYTES = 5 * 1024 * 1024
"""Every part of an upload but the last has at least this size, as S3 demands it."""

UPLOADS = "uploads/"
"""Beginning of the keys that clients may write to; what is worth keeping is moved elsewhere."""

LEFTOVER_DAYS = 7
"""Age at which the store itself removes what is still under `UPLOADS`, and parts that were never joined."""


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What the store knows of a blob without reading it."""

    key: str
    size_bytes: int
    content_type: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that whoever holds it may make, once or more, until it expires; `headers` must be sent as they are."""

    method: str
    url: str
    expires_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


class BlobStore(Protocol):
    """Blobs by key in one private bucket. Every call raises `Unavailable` when the store is away.

    Keys are made by us, of ASCII letters, digits, ``-_./``; never of user text.
    """

    async def open(self) -> None:
        """Make the bucket, its CORS rules and its rules for leftovers where they are missing.

        What is under `UPLOADS`, and parts that were never joined, vanish after `LEFTOVER_DAYS` where the store knows
        such rules.
        """

    async def put(self, key: str, data: bytes | Path, *, content_type: str) -> None:
        """Store a blob, replacing what is there in one step."""

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> bytes:
        """Read a blob, or its bytes from `start` up to but without `end`.

        Raises
        ------
        Rejected
            There is no such blob (``blob_not_found``).
        """

    async def download(self, key: str, target: Path) -> None:
        """Copy a blob into a file, without holding it in memory.

        Raises
        ------
        Rejected
            There is no such blob (``blob_not_found``).
        """

    async def head(self, key: str) -> BlobInfo | None:
        """Return what is known of a blob, or None where there is none."""

    async def sha256(self, key: str) -> str:
        """Return the hexadecimal SHA-256 of a blob's bytes, read in blocks."""

    async def move(self, source: str, target: str) -> None:
        """Give a blob another key, without reading it here. Repeating it is no error.

        A blob that is at `target` already stays, and the one at `source` is removed: who can still write to `source`
        cannot replace what was moved once.

        Raises
        ------
        Rejected
            There is no blob under either key (``blob_not_found``).
        """

    async def delete(self, key: str) -> None:
        """Remove a blob; removing what is not there is no error."""

    async def list(self, prefix: str, *, limit: int = 1000) -> Sequence[BlobInfo]:
        """List blobs whose keys begin with `prefix`, in the order of their keys; their `content_type` is left empty."""

    async def sign_put(self, key: str, *, size_bytes: int, content_type: str, valid_s: int) -> SignedRequest:
        """Sign an upload of exactly this many bytes of this type."""

    async def sign_get(self, key: str, *, valid_s: int, download_name: str | None = None) -> SignedRequest:
        """Sign a download; the answer supports ranges.

        `download_name` makes browsers save it under that name, which is shortened if need be.
        """

    async def open_multipart(self, key: str, *, content_type: str) -> str:
        """Begin an upload in parts and return its id."""

    async def sign_part(self, key: str, upload_id: str, number: int, *, size_bytes: int, valid_s: int) -> SignedRequest:
        """Sign the upload of part `number` (from 1) of exactly this many bytes."""

    async def arrived_parts(self, key: str, upload_id: str) -> Mapping[int, int]:
        """Return the sizes in bytes of the parts that have arrived, by their numbers; none of an unknown upload."""

    async def complete_multipart(self, key: str, upload_id: str, *, size_bytes: int) -> None:
        """Join the parts that have arrived, as the store itself lists them. Repeating it is no error.

        Raises
        ------
        Rejected
            Parts are missing, so that they do not make `size_bytes`, or the upload is unknown (``upload_incomplete``).
        """

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        """Forget an upload in parts; repeating it is no error."""

    async def close(self) -> None:
        """Release connections."""


def check_key(key: str) -> str:
    """Return a key under which a blob can be kept.

    Raises
    ------
    Rejected
        It has other characters, or steps that are empty, ``.`` or ``..`` (``blob_key_invalid``).
    """
    steps = key.split("/")
    if len(key) > MAX_KEY_BYTES or not all(re.fullmatch(r"[A-Za-z0-9._-]+", step) for step in steps):
        raise Rejected("blob_key_invalid", f"no blob can have the key {key!r:.100}", status=400)
    if "." in steps or ".." in steps:
        raise Rejected("blob_key_invalid", f"no blob can have the key {key!r:.100}", status=400)
    return key


def check_parts(sizes_bytes: Mapping[int, int], size_bytes: int) -> None:
    """Raise `Rejected` (``upload_incomplete``) unless the parts, sizes by number, make a whole of this size."""
    # Parts that are joined too early can't be completed any more, so a missing last one matters like any other.
    is_whole = sorted(sizes_bytes) == list(range(1, len(sizes_bytes) + 1)) and sum(sizes_bytes.values()) == size_bytes
    if not sizes_bytes or not is_whole:
        raise Rejected("upload_incomplete", f"parts are missing, only {sorted(sizes_bytes)} arrived", status=409)
    small = [number for number in range(1, len(sizes_bytes)) if sizes_bytes[number] < MIN_PART_BYTES]
    if small:
        raise Rejected("upload_incomplete", f"parts {small} are smaller than {MIN_PART_BYTES} bytes", status=409)


def not_found(key: str) -> Rejected:
    """Return the failure that says that there is no such blob."""
    return Rejected("blob_not_found", f"there is no blob {key}", status=404)


def attachment(download_name: str) -> str:
    """Return the header ``Content-Disposition`` that saves a download under this name (RFC 6266, RFC 8187)."""
    return f"attachment; filename*=UTF-8''{quote(short_name(download_name), safe='')}"


def short_name(download_name: str) -> str:
    """Return the name, shortened before its ending to what file systems and the addresses of downloads can hold."""
    ending = "".join(re.findall(r"\.[A-Za-z0-9]{1,8}\Z", download_name))
    stem = download_name.removesuffix(ending)
    return stem.encode()[: MAX_NAME_BYTES - len(ending)].decode(errors="ignore") + ending
