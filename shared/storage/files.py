"""How are blobs kept on one machine? As files in a folder, with signed URLs that the gateway serves."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import hmac
import io
import json
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import urlencode

from shared.errors import Rejected, Unavailable
from shared.storage.blobs import (
    LEFTOVER_DAYS,
    UPLOADS,
    BlobInfo,
    SignedRequest,
    check_key,
    check_parts,
    not_found,
    short_name,
)
from shared.storage.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
DEADLINE_S = 300.0
BLOCK_BYTES = 1024 * 1024
ABANDONED_AFTER_S = 24 * 3600.0

_AWAY = {errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENOSPC, errno.EROFS, errno.ESTALE}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a signed URL permits.

    Attributes
    ----------
    key : str
        The blob.
    size_bytes, content_type : int or None, str or None
        What an upload must have.
    download_name : str or None
        The name under which a browser saves a download.
    upload_id, part : str or None, int or None
        The upload in parts, and the number of the part in it.
    """

    key: str
    size_bytes: int | None = None
    content_type: str | None = None
    download_name: str | None = None
    upload_id: str | None = None
    part: int | None = None


class FolderStore:
    """A `BlobStore` in a folder, which several processes may share.

    Parameters
    ----------
    root : Path
        The folder; it is made when missing.
    base_url : str
        The gateway as clients see it; its route ``/blobs/`` serves what is signed here.
    secret : bytes
        Key of the signatures; at least 16 bytes, the same in all processes.
    """

    def __init__(self, root: Path, *, base_url: str, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("the secret of signed URLs has at least 16 bytes")
        self._blobs = root / "blobs"
        self._uploads = root / "uploads"
        self._incoming = root / "incoming"
        self._base_url = base_url.rstrip("/")
        self._secret = secret
        self._threads = Threads("blobs", size=THREADS, deadline_s=DEADLINE_S)

    async def open(self) -> None:
        """Make the folders where they are missing, and remove what broken uploads left behind."""
        await self._run(self._open)

    async def close(self) -> None:
        """Finish running work."""
        await self._threads.close()

    async def put(self, key: str, data: bytes | Path, *, content_type: str) -> None:  # noqa: D102 - see the port
        await self._run(self._put, check_key(key), data, content_type)

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> bytes:  # noqa: D102
        return await self._run(self._get, key, start, end)

    async def download(self, key: str, target: Path) -> None:  # noqa: D102
        await self._run(self._download, key, target)

    async def head(self, key: str) -> BlobInfo | None:  # noqa: D102
        return await self._run(self._head, key)

    async def sha256(self, key: str) -> str:  # noqa: D102
        return await self._run(self._sha256, key)

    async def move(self, source: str, target: str) -> None:  # noqa: D102
        await self._run(self._move, check_key(source), check_key(target))

    async def delete(self, key: str) -> None:  # noqa: D102
        await self._run(self._delete, key)

    async def list(self, prefix: str, *, limit: int = 1000) -> Sequence[BlobInfo]:  # noqa: D102
        return await self._run(self._list, prefix, limit)

    async def sign_put(  # noqa: D102
        self, key: str, *, size_bytes: int, content_type: str, valid_s: int
    ) -> SignedRequest:
        signed = self._sign("PUT", key, valid_s, size=str(size_bytes), type=content_type)
        return SignedRequest(signed.method, signed.url, signed.expires_at, {"Content-Type": content_type})

    async def sign_get(self, key: str, *, valid_s: int, download_name: str | None = None) -> SignedRequest:  # noqa: D102
        return self._sign("GET", key, valid_s, **({} if download_name is None else {"name": short_name(download_name)}))

    async def open_multipart(self, key: str, *, content_type: str) -> str:  # noqa: D102
        upload_id = secrets.token_hex(16)
        await self._run(self._open_multipart, check_key(key), upload_id, content_type)
        return upload_id

    async def sign_part(  # noqa: D102
        self, key: str, upload_id: str, number: int, *, size_bytes: int, valid_s: int
    ) -> SignedRequest:
        return self._sign("PUT", key, valid_s, size=str(size_bytes), upload=upload_id, part=str(number))

    async def arrived_parts(self, key: str, upload_id: str) -> Mapping[int, int]:  # noqa: D102
        return await self._run(self._arrived_parts, key, upload_id)

    async def complete_multipart(self, key: str, upload_id: str, *, size_bytes: int) -> None:  # noqa: D102
        await self._run(self._complete_multipart, key, upload_id, size_bytes)

    async def abort_multipart(self, key: str, upload_id: str) -> None:  # noqa: D102
        await self._run(self._abort_multipart, key, upload_id)

    def verify(self, method: str, key: str, query: Sequence[tuple[str, str]]) -> Grant:
        """Return what a request to a signed URL is permitted to do.

        Parameters
        ----------
        method : str
            Method of the request; a signed GET permits HEAD, too.
        key : str
            Key of the blob, from the path.
        query : sequence of (name, value)
            All fields of the query, decoded.

        Raises
        ------
        Rejected
            The URL was altered, has expired or is for another method (all with status 403).
        """
        fields = dict(query)
        signature = fields.pop("signature", "")
        if len(fields) + 1 != len(query) or not hmac.compare_digest(
            self._signature(key, fields).encode(), signature.encode()
        ):
            raise Rejected("signature_invalid", "the URL is not signed by this server", status=403)
        if time.time() > int(fields["expires"]):
            raise Rejected("url_expired", f"the URL expired at {_at(int(fields['expires'])).isoformat()}", status=403)
        if {"HEAD": "GET"}.get(method, method) != fields["method"]:
            raise Rejected("method_not_signed", f"the URL permits {fields['method']}, not {method}", status=403)
        return Grant(
            key,
            size_bytes=int(fields["size"]) if "size" in fields else None,
            content_type=fields.get("type"),
            download_name=fields.get("name"),
            upload_id=fields.get("upload"),
            part=int(fields["part"]) if "part" in fields else None,
        )

    async def receive(self, grant: Grant, blocks: AsyncIterator[bytes]) -> None:
        """Store an upload or a part of one while it arrives; nothing of it stays unless its size is the signed one.

        Raises
        ------
        Rejected
            Its size is another one (``upload_too_large``, ``upload_incomplete``), or the upload in parts is unknown.
        """
        temp = self._new_file()
        file = await self._run(temp.open, "xb")
        try:
            await self._receive(file, grant.size_bytes or 0, blocks)
            await self._run(self._finish, file)
            if grant.upload_id is None:
                await self._run(self._keep, temp, grant.key, grant.content_type or "application/octet-stream")
            else:
                await self._run(self._keep_part, temp, grant.upload_id, grant.part or 0)
        finally:
            # Without await: a request that is cancelled may not wait any more.
            file.close()
            temp.unlink(missing_ok=True)

    def path(self, key: str) -> Path:
        """Return where the bytes of a blob are, if there is one."""
        # No key holds a tilde, so that `a` and `a/b` can both be blobs.
        return self._blobs / f"{check_key(key)}~data"

    async def _receive(self, file: io.BufferedWriter, size_bytes: int, blocks: AsyncIterator[bytes]) -> None:
        buffer, received = bytearray(), 0
        async for block in blocks:
            received += len(block)
            if received > size_bytes:
                raise Rejected("upload_too_large", f"more than the signed {size_bytes} bytes arrived", status=413)
            buffer += block
            if len(buffer) >= BLOCK_BYTES:
                await self._run(file.write, bytes(buffer))
                buffer.clear()
        if received < size_bytes:
            raise Rejected("upload_incomplete", f"{received} of the signed {size_bytes} bytes arrived", status=400)
        await self._run(file.write, bytes(buffer))

    def _open(self) -> None:
        for folder in (self._blobs, self._uploads, self._incoming):
            folder.mkdir(parents=True, exist_ok=True)
        for leftover in self._incoming.iterdir():
            if _is_older(leftover, ABANDONED_AFTER_S):
                leftover.unlink(missing_ok=True)
        for upload in self._uploads.iterdir():
            if _is_older(upload, LEFTOVER_DAYS * 86400):
                shutil.rmtree(upload, ignore_errors=True)
        for path in (self._blobs / UPLOADS).rglob("*~data"):
            if _is_older(path, LEFTOVER_DAYS * 86400):
                self._delete(path.relative_to(self._blobs).as_posix().removesuffix("~data"))

    def _put(self, key: str, data: bytes | Path, content_type: str) -> None:
        with self._new() as (temp, file):
            if isinstance(data, bytes):
                file.write(data)
            else:
                with data.open("rb") as source:
                    shutil.copyfileobj(source, file, BLOCK_BYTES)
            self._finish(file)
            self._keep(temp, key, content_type)

    def _get(self, key: str, start: int, end: int | None) -> bytes:
        with self._read(key) as file:
            file.seek(start)
            return file.read(-1 if end is None else max(0, end - start))

    def _download(self, key: str, target: Path) -> None:
        part = target.with_name(f"{target.name}.part")
        with self._read(key) as source, part.open("wb") as file:
            shutil.copyfileobj(source, file, BLOCK_BYTES)
        part.replace(target)

    def _head(self, key: str) -> BlobInfo | None:
        path = self.path(key)
        try:
            stat = path.stat()
            content_type = _type_beside(path).read_text()
        except FileNotFoundError:
            return None
        return BlobInfo(key, stat.st_size, content_type, _at(stat.st_mtime))

    def _sha256(self, key: str) -> str:
        with self._read(key) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _move(self, source: str, target: str) -> None:
        blob, is_there = self._head(source), self._head(target) is not None
        if blob is None and not is_there:
            raise not_found(source)
        if blob is not None and not is_there:
            try:
                self._keep(self.path(source), target, blob.content_type)
            except FileNotFoundError:  # another process was faster
                return self._move(source, target)
        return self._delete(source)

    def _delete(self, key: str) -> None:
        path = self.path(key)
        path.unlink(missing_ok=True)
        _type_beside(path).unlink(missing_ok=True)

    def _list(self, prefix: str, limit: int) -> Sequence[BlobInfo]:
        folder = self._blobs / check_key(f"{prefix}x").rpartition("/")[0]  # a prefix is how some key begins
        found = []
        for path in folder.rglob("*~data"):
            key = path.relative_to(self._blobs).as_posix().removesuffix("~data")
            with contextlib.suppress(FileNotFoundError):
                if key.startswith(prefix):
                    stat = path.stat()
                    found.append(BlobInfo(key, stat.st_size, "", _at(stat.st_mtime)))
        return sorted(found, key=lambda blob: blob.key)[:limit]

    def _open_multipart(self, key: str, upload_id: str, content_type: str) -> None:
        folder = self._uploads / upload_id
        folder.mkdir(parents=True)
        (folder / "upload.json").write_text(json.dumps({"key": key, "content_type": content_type}))

    def _keep_part(self, temp: Path, upload_id: str, number: int) -> None:
        try:
            temp.replace(self._uploads / upload_id / f"{number:05}")
        except FileNotFoundError:
            raise Rejected("upload_unknown", "the upload was completed or given up", status=404) from None

    def _arrived_parts(self, key: str, upload_id: str) -> Mapping[int, int]:
        folder = self._upload_folder(upload_id)
        try:
            parts = {int(path.name): path.stat().st_size for path in folder.iterdir() if path.name.isdigit()}
            return parts if self._upload(folder)["key"] == key else {}
        except FileNotFoundError:  # completed or given up
            return {}

    def _complete_multipart(self, key: str, upload_id: str, size_bytes: int) -> None:
        folder = self._upload_folder(upload_id)
        try:
            parts = sorted(path for path in folder.iterdir() if path.name.isdigit())
            upload = self._upload(folder)
            if upload["key"] != key:
                raise Rejected("upload_incomplete", f"the upload is not for {key}", status=409)
            check_parts({int(path.name): path.stat().st_size for path in parts}, size_bytes)
            with self._new() as (temp, file):
                for path in parts:
                    with path.open("rb") as source:
                        shutil.copyfileobj(source, file, BLOCK_BYTES)
                self._finish(file)
                self._keep(temp, key, upload["content_type"])
        except FileNotFoundError:  # completed before, or by another process just now, or never there
            if self._head(key) is None:
                raise Rejected("upload_incomplete", "the upload is unknown", status=409) from None
        self._abort_multipart(key, upload_id)

    def _abort_multipart(self, key: str, upload_id: str) -> None:
        # In one step, so that who lists the parts meanwhile has all of them, or no upload afterwards.
        removed = self._uploads / secrets.token_hex(16)
        with contextlib.suppress(FileNotFoundError):
            self._upload_folder(upload_id).rename(removed)
            shutil.rmtree(removed, ignore_errors=True)

    def _upload(self, folder: Path) -> dict[str, str]:
        """Return what an upload in parts is for; read behind its parts, so that they were all there."""
        upload: dict[str, str] = json.loads((folder / "upload.json").read_text())
        return upload

    def _upload_folder(self, upload_id: str) -> Path:
        # Ids that are not ours become one that does not exist.
        return self._uploads / (upload_id if re.fullmatch(r"[0-9a-f]{32}", upload_id) else "unknown")

    def _new_file(self) -> Path:
        return self._incoming / secrets.token_hex(16)

    @contextlib.contextmanager
    def _new(self) -> Iterator[tuple[Path, io.BufferedWriter]]:
        temp = self._new_file()
        try:
            with temp.open("xb") as file:
                yield temp, file
        finally:
            temp.unlink(missing_ok=True)

    def _finish(self, file: io.BufferedWriter) -> None:
        file.flush()
        os.fsync(file.fileno())

    def _keep(self, temp: Path, key: str, content_type: str) -> None:
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        # The type first: a blob without a type would be none, a type without a blob is nothing.
        with self._new() as (temp_type, file):
            file.write(content_type.encode())
            self._finish(file)
            temp_type.replace(_type_beside(path))
        temp.replace(path)

    @contextlib.contextmanager
    def _read(self, key: str) -> Iterator[io.BufferedReader]:
        try:
            file = self.path(key).open("rb")
        except FileNotFoundError:
            raise not_found(key) from None
        with file:
            yield file

    def _sign(self, method: str, key: str, valid_s: int, **fields: str) -> SignedRequest:
        expires_s = math.ceil(time.time()) + valid_s
        query = {"method": method, "expires": str(expires_s), **fields}
        query["signature"] = self._signature(check_key(key), query)
        return SignedRequest(method, f"{self._base_url}/blobs/{key}?{urlencode(query)}", _at(expires_s))

    def _signature(self, key: str, fields: dict[str, str]) -> str:
        signed = json.dumps([key, sorted(fields.items())])
        return hmac.new(self._secret, signed.encode(), hashlib.sha256).hexdigest()

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._threads.run(call, *args, **kwargs)
        except OSError as error:
            if error.errno in _AWAY:
                raise Unavailable(f"the blob folder does not answer: {error.strerror}") from error
            raise


def _type_beside(path: Path) -> Path:
    return path.with_name(path.name.removesuffix("~data") + "~type")


def _is_older(path: Path, age_s: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime > age_s
    except FileNotFoundError:  # another process removes leftovers, too
        return False


def _at(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
