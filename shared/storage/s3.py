"""How are blobs kept by many machines? In a private S3 bucket, with presigned URLs."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import structlog
from botocore.exceptions import ClientError

from shared.errors import Rejected
from shared.runtime.settings import BlobSettings
from shared.storage.aws import answering, aws_client, error_code
from shared.storage.blobs import (
    LEFTOVER_DAYS,
    UPLOADS,
    BlobInfo,
    SignedRequest,
    attachment,
    check_key,
    check_parts,
    not_found,
)
from shared.storage.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

log = structlog.get_logger(__name__)

CONNECTIONS = 16
READ_TIMEOUT_S = 30.0
DEADLINE_S = 300.0
BLOCK_BYTES = 1024 * 1024
COPY_BYTES = 128 * 1024 * 1024
"""Most that the store copies in one request, so that the answer comes within `READ_TIMEOUT_S`; S3 would allow 5 GiB."""

_CORS = {
    "AllowedMethods": ["PUT", "GET", "HEAD"],
    "AllowedHeaders": ["*"],
    "ExposeHeaders": ["ETag", "Content-Range", "Accept-Ranges"],
    "MaxAgeSeconds": 3600,
}
_MISSING = {"404", "NoSuchKey", "NotFound"}


class S3Store:
    """A `BlobStore` in one S3 bucket, which it makes when missing.

    Parameters
    ----------
    settings : BlobSettings
        Bucket, endpoints, region, origins of CORS; credentials come from the usual AWS chain.
    """

    def __init__(self, settings: BlobSettings) -> None:
        self._settings = settings
        self._bucket = settings.bucket
        self._threads = Threads("s3", size=CONNECTIONS, deadline_s=DEADLINE_S)
        self._s3 = self._client(settings.endpoint_url)
        # A signature covers the host's name, so that URLs are signed for the endpoint that clients see.
        self._signer = self._client(settings.public_endpoint_url or settings.endpoint_url)

    async def open(self) -> None:  # noqa: D102 - described by the port, like all below
        try:
            await self._call(self._s3.head_bucket, Bucket=self._bucket)
        except ClientError as error:
            if error_code(error) not in _MISSING:
                raise
            await self._create_bucket()
        await self._call(self._let_pages_in)
        await self._call(self._sweep_leftovers)

    async def close(self) -> None:  # noqa: D102
        await self._threads.close()
        self._s3.close()
        self._signer.close()

    async def put(self, key: str, data: bytes | Path, *, content_type: str) -> None:  # noqa: D102
        await self._call(self._put, check_key(key), data, content_type)

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> bytes:  # noqa: D102
        return await self._call(self._get, check_key(key), start, end)

    async def download(self, key: str, target: Path) -> None:  # noqa: D102
        await self._call(self._download, check_key(key), target)

    async def head(self, key: str) -> BlobInfo | None:  # noqa: D102
        return await self._call(self._head, check_key(key))

    async def sha256(self, key: str) -> str:  # noqa: D102
        return await self._call(self._sha256, check_key(key))

    async def move(self, source: str, target: str) -> None:  # noqa: D102
        await self._call(self._move, check_key(source), check_key(target))

    async def delete(self, key: str) -> None:  # noqa: D102
        await self._call(self._s3.delete_object, Bucket=self._bucket, Key=check_key(key))

    async def list(self, prefix: str, *, limit: int = 1000) -> Sequence[BlobInfo]:  # noqa: D102
        return await self._call(self._list, prefix, limit)

    async def sign_put(  # noqa: D102
        self, key: str, *, size_bytes: int, content_type: str, valid_s: int
    ) -> SignedRequest:
        what = {"ContentLength": size_bytes, "ContentType": content_type}
        return await self._sign("put_object", key, valid_s, {"Content-Type": content_type}, **what)

    async def sign_get(self, key: str, *, valid_s: int, download_name: str | None = None) -> SignedRequest:  # noqa: D102
        what = {} if download_name is None else {"ResponseContentDisposition": attachment(download_name)}
        return await self._sign("get_object", key, valid_s, {}, **what)

    async def open_multipart(self, key: str, *, content_type: str) -> str:  # noqa: D102
        opened = await self._call(
            self._s3.create_multipart_upload, Bucket=self._bucket, Key=check_key(key), ContentType=content_type
        )
        return str(opened["UploadId"])

    async def sign_part(  # noqa: D102
        self, key: str, upload_id: str, number: int, *, size_bytes: int, valid_s: int
    ) -> SignedRequest:
        what = {"UploadId": upload_id, "PartNumber": number, "ContentLength": size_bytes}
        return await self._sign("upload_part", key, valid_s, {}, **what)

    async def arrived_parts(self, key: str, upload_id: str) -> Mapping[int, int]:  # noqa: D102
        try:
            parts = await self._call(self._parts, check_key(key), upload_id)
        except ClientError as error:
            if error_code(error) != "NoSuchUpload":
                raise
            return {}
        return {number: part["Size"] for number, part in parts.items()}

    async def complete_multipart(self, key: str, upload_id: str, *, size_bytes: int) -> None:  # noqa: D102
        try:
            await self._call(self._complete_multipart, check_key(key), upload_id, size_bytes)
        except ClientError as error:
            if error_code(error) != "NoSuchUpload":
                raise
            if await self.head(key) is None:  # otherwise it was completed before
                raise Rejected("upload_incomplete", "the upload is unknown", status=409) from error

    async def abort_multipart(self, key: str, upload_id: str) -> None:  # noqa: D102
        try:
            await self._call(
                self._s3.abort_multipart_upload, Bucket=self._bucket, Key=check_key(key), UploadId=upload_id
            )
        except ClientError as error:
            if error_code(error) != "NoSuchUpload":
                raise

    def _client(self, endpoint_url: str | None) -> Any:
        return aws_client(
            "s3",
            endpoint_url=endpoint_url,
            region=self._settings.region,
            connections=CONNECTIONS,
            read_timeout_s=READ_TIMEOUT_S,
            s3={"addressing_style": "path"},
        )

    async def _create_bucket(self) -> None:
        region = self._settings.region
        # The oldest region is the one that cannot be named.
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            await self._call(self._s3.create_bucket, Bucket=self._bucket, **where)
        except ClientError as error:
            if error_code(error) != "BucketAlreadyOwnedByYou":  # another process was faster
                raise

    def _let_pages_in(self) -> None:
        """Add a rule for pages of the origins that the bucket does not know; its rules stay."""
        rules: list[dict[str, Any]] = []
        try:
            rules = self._s3.get_bucket_cors(Bucket=self._bucket)["CORSRules"]
        except ClientError as error:
            if error_code(error) != "NoSuchCORSConfiguration":
                raise
        known = {origin for rule in rules for origin in rule["AllowedOrigins"]}
        new = [origin for origin in self._settings.cors_origins if known.isdisjoint({origin, "*"})]
        if new:
            added = {"CORSRules": [*rules, _CORS | {"AllowedOrigins": new}]}
            self._s3.put_bucket_cors(Bucket=self._bucket, CORSConfiguration=added)

    def _sweep_leftovers(self) -> None:
        """Have the store remove what nobody finished; ours sweeps too, so that a store without such rules will do."""
        try:
            self._s3.get_bucket_lifecycle_configuration(Bucket=self._bucket)
        except ClientError as missing:
            try:
                if error_code(missing) != "NoSuchLifecycleConfiguration":
                    raise
                self._s3.put_bucket_lifecycle_configuration(Bucket=self._bucket, LifecycleConfiguration=_leftovers())
            except ClientError as error:
                log.warning("blobs.leftovers_not_swept", bucket=self._bucket, reason=error_code(error))

    def _move(self, source: str, target: str) -> None:
        try:
            self._copy(source, target)
        except ClientError as error:
            if error_code(error) in _MISSING:
                if self._head(target) is None:
                    raise not_found(source) from error
                return
            if error_code(error) != "PreconditionFailed":  # the blob at `target` stays
                raise
        self._s3.delete_object(Bucket=self._bucket, Key=source)

    def _copy(self, source: str, target: str) -> None:
        """Copy within the bucket, unless `target` is there."""
        found = self._s3.head_object(Bucket=self._bucket, Key=source)
        where = {"Bucket": self._bucket, "Key": target}
        copied = {"CopySource": {"Bucket": self._bucket, "Key": source}}
        if found["ContentLength"] <= COPY_BYTES:
            self._s3.copy_object(**where, **copied, IfNoneMatch="*")
            return
        opened = self._s3.create_multipart_upload(**where, ContentType=found["ContentType"])
        upload = where | {"UploadId": opened["UploadId"]}
        try:
            parts = []
            for number, start in enumerate(range(0, found["ContentLength"], COPY_BYTES), start=1):
                within = f"bytes={start}-{min(start + COPY_BYTES, found['ContentLength']) - 1}"
                part = self._s3.upload_part_copy(**upload, **copied, PartNumber=number, CopySourceRange=within)
                parts.append({"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]})
            self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
        except BaseException:
            with contextlib.suppress(ClientError):
                self._s3.abort_multipart_upload(**upload)
            raise

    def _head(self, key: str) -> BlobInfo | None:
        try:
            found = self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error_code(error) in _MISSING:
                return None
            raise
        return BlobInfo(key, found["ContentLength"], found["ContentType"], found["LastModified"])

    def _put(self, key: str, data: bytes | Path, content_type: str) -> None:
        with contextlib.nullcontext(data) if isinstance(data, bytes) else data.open("rb") as body:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)

    def _get(self, key: str, start: int, end: int | None) -> bytes:
        if end is not None and end <= start:
            with self._read(key):
                return b""
        within = {} if start == 0 and end is None else {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        try:
            with self._read(key, **within) as body:
                return bytes(body.read())
        except ClientError as error:
            if error_code(error) == "InvalidRange":  # the blob ends before `start`
                return b""
            raise

    def _download(self, key: str, target: Path) -> None:
        part = target.with_name(f"{target.name}.part")
        with self._read(key) as body, part.open("wb") as file:
            shutil.copyfileobj(body, file, BLOCK_BYTES)
        part.replace(target)

    def _sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        with self._read(key) as body:
            while block := body.read(BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()

    @contextlib.contextmanager
    def _read(self, key: str, **within: str) -> Iterator[Any]:
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=key, **within)["Body"]
        except ClientError as error:
            if error_code(error) in _MISSING:
                raise not_found(key) from error
            raise
        with contextlib.closing(body):
            yield body

    def _list(self, prefix: str, limit: int) -> Sequence[BlobInfo]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, PaginationConfig={"MaxItems": limit, "PageSize": min(limit, 1000)}
        )
        return [
            BlobInfo(found["Key"], found["Size"], "", found["LastModified"])
            for page in pages
            for found in page.get("Contents", ())
        ]

    def _complete_multipart(self, key: str, upload_id: str, size_bytes: int) -> None:
        upload = {"Bucket": self._bucket, "Key": key, "UploadId": upload_id}
        parts = self._parts(key, upload_id)
        if not parts and self._head(key) is not None:
            return  # completed just now: SeaweedFS forgets the parts before the upload
        check_parts({number: part["Size"] for number, part in parts.items()}, size_bytes)
        listed = [{"PartNumber": number, "ETag": parts[number]["ETag"]} for number in sorted(parts)]
        self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": listed})

    def _parts(self, key: str, upload_id: str) -> dict[int, dict[str, Any]]:
        pages = self._s3.get_paginator("list_parts").paginate(Bucket=self._bucket, Key=key, UploadId=upload_id)
        arrived = [part for page in pages for part in page.get("Parts", ())]
        # SeaweedFS lists a part that was sent twice, with other bytes, twice; the later one counts.
        return {part["PartNumber"]: part for part in sorted(arrived, key=lambda part: part["LastModified"])}

    async def _sign(
        self, operation: str, key: str, valid_s: int, headers: dict[str, str], **what: object
    ) -> SignedRequest:
        url = await self._call(
            self._signer.generate_presigned_url,
            operation,
            Params={"Bucket": self._bucket, "Key": check_key(key), **what},
            ExpiresIn=valid_s,
        )
        method = "GET" if operation == "get_object" else "PUT"
        return SignedRequest(method, url, datetime.now(UTC) + timedelta(seconds=valid_s), headers)

    async def _call(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with answering("s3"):
            return await self._threads.run(call, *args, **kwargs)


def _leftovers() -> dict[str, Any]:
    uploads = {"Expiration": {"Days": LEFTOVER_DAYS}, "Filter": {"Prefix": UPLOADS}}
    parts = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": LEFTOVER_DAYS}, "Filter": {"Prefix": ""}}
    return {"Rules": [uploads | {"ID": "uploads", "Status": "Enabled"}, parts | {"ID": "parts", "Status": "Enabled"}]}
