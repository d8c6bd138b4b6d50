"""Do both blob stores keep the promises of their port, over real HTTP too?"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from services.gateway.blobs import blob_routes
from shared.errors import Rejected, Unavailable
from shared.runtime.problems import install_problem_handlers
from shared.runtime.settings import BlobSettings
from shared.storage.aws import aws_client
from shared.storage.blobs import LEFTOVER_DAYS, MIN_PART_BYTES, UPLOADS, BlobStore, SignedRequest
from shared.storage.files import FolderStore
from shared.storage.s3 import S3Store

ORIGIN = "https://tunes.example"
MISSING = "blob_not_found"


class Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals belong to the test runner


@asynccontextmanager
async def served_folder(root: Path) -> AsyncIterator[FolderStore]:
    """A folder whose signed URLs are served on a free port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # who comes before the server is up, waits
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        store = FolderStore(root, base_url=base_url, secret=secrets.token_bytes(32))
        app = FastAPI()
        app.include_router(blob_routes(store))
        install_problem_handlers(app)
        server = Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield store
        finally:
            server.should_exit = True
            await serving


@pytest.fixture(scope="module", params=["folder", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BlobStore]:
    if request.param == "folder":
        async with served_folder(tmp_path_factory.mktemp("blobs") / "deep") as folder:
            await folder.open()
            yield folder
            await folder.close()
    else:
        endpoint_url = request.getfixturevalue("s3_endpoint")
        s3 = S3Store(BlobSettings(bucket=f"b{secrets.token_hex(8)}", endpoint_url=endpoint_url, cors_origins=[ORIGIN]))
        await s3.open()
        yield s3
        await s3.close()


@pytest.fixture
def key() -> str:
    """A key of the test's own, so that tests share a store."""
    return f"songs/{secrets.token_hex(8)}/original"


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as made:
        yield made


async def send(client: httpx.AsyncClient, signed: SignedRequest, data: bytes | None = None) -> httpx.Response:
    return await client.request(signed.method, signed.url, headers=dict(signed.headers), content=data)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - a folder sets no event
            await asyncio.sleep(0.01)


def altered(url: str, old: str, new: str) -> str:
    assert old in url
    return url.replace(old, new, 1)


def altered_signature(url: str) -> str:
    start = url.lower().index("signature=") + len("signature=")
    return url[:start] + ("1" if url[start] == "0" else "0") + url[start + 1 :]


class TestBlobs:
    @pytest.mark.parametrize("size_bytes", [0, 1, 3_000_000])
    async def test_bytes_and_files_return_as_they_were_stored(
        self, store: BlobStore, key: str, tmp_path: Path, size_bytes: int
    ) -> None:
        data = secrets.token_bytes(size_bytes)
        source, target = tmp_path / "source", tmp_path / "target"
        source.write_bytes(data)
        for given in (data, source):
            await store.delete(key)
            await store.put(key, given, content_type="audio/flac")
            await store.download(key, target)
            assert await store.get(key) == target.read_bytes() == data
            assert await store.sha256(key) == hashlib.sha256(data).hexdigest()
        assert names_in(tmp_path) == ["source", "target"]

    async def test_ranges_are_those_of_a_slice(self, store: BlobStore, key: str) -> None:
        await store.put(key, b"0123456789", content_type="audio/flac")
        for start, end in ((0, 4), (3, 7), (3, None), (8, 99), (4, 4), (10, None), (99, 100)):
            assert await store.get(key, start=start, end=end) == b"0123456789"[start:end]

    async def test_a_head_tells_size_type_and_age(self, store: BlobStore, key: str) -> None:
        assert await store.head(key) is None
        await store.put(key, b"first", content_type="audio/flac")
        await store.put(key, b"replaced", content_type="audio/mpeg")
        info = await store.head(key)
        assert info is not None
        assert (info.key, info.size_bytes, info.content_type) == (key, 8, "audio/mpeg")
        assert info.modified_at.tzinfo is not None

    async def test_a_missing_blob_is_said_to_be_missing(self, store: BlobStore, key: str, tmp_path: Path) -> None:
        reads = (
            store.get(key),
            store.get(key, start=5, end=5),
            store.download(key, tmp_path / "target"),
            store.sha256(key),
        )
        for read in reads:
            with pytest.raises(Rejected) as refusal:
                await read
            assert (refusal.value.code, refusal.value.status) == (MISSING, 404)
        assert names_in(tmp_path) == []

    async def test_a_deleted_blob_is_gone_and_may_be_deleted_again(self, store: BlobStore, key: str) -> None:
        await store.put(key, b"data", content_type="audio/flac")
        await store.delete(key)
        await store.delete(key)
        assert await store.head(key) is None
        assert await store.list(key) == []

    @pytest.mark.parametrize("size_bytes", [0, 5, 2 * MIN_PART_BYTES + 5])
    async def test_a_moved_blob_has_its_bytes_and_its_type_under_the_new_key_alone(
        self, store: BlobStore, key: str, monkeypatch: pytest.MonkeyPatch, size_bytes: int
    ) -> None:
        monkeypatch.setattr("shared.storage.s3.COPY_BYTES", MIN_PART_BYTES)  # so that this one is copied in parts
        data, source = secrets.token_bytes(size_bytes), f"{UPLOADS}{key}"
        await store.put(source, data, content_type="audio/flac")
        for _ in range(2):
            await store.move(source, key)
            info = await store.head(key)
            assert info is not None
            assert (info.size_bytes, info.content_type) == (size_bytes, "audio/flac")
            assert await store.get(key) == data
            assert await store.head(source) is None
            assert await store.list(source) == []

    @pytest.mark.parametrize("size_bytes", [5, MIN_PART_BYTES + 5])
    async def test_what_was_moved_once_cannot_be_replaced_by_moving_again(
        self, store: BlobStore, key: str, monkeypatch: pytest.MonkeyPatch, size_bytes: int
    ) -> None:
        monkeypatch.setattr("shared.storage.s3.COPY_BYTES", MIN_PART_BYTES)
        source = f"{UPLOADS}{key}"
        for data in (b"first", bytes(size_bytes)):
            await store.put(source, data, content_type="audio/flac")
            await store.move(source, key)
            assert await store.get(key) == b"first"
            assert await store.head(source) is None

    async def test_a_blob_that_is_moved_many_times_at_once_arrives_whole(self, store: BlobStore, key: str) -> None:
        data, source = secrets.token_bytes(300_000), f"{UPLOADS}{key}"
        await store.put(source, data, content_type="audio/flac")
        await asyncio.gather(*(store.move(source, key) for _ in range(6)))
        assert await store.get(key) == data
        assert await store.head(source) is None

    async def test_what_is_nowhere_cannot_be_moved(self, store: BlobStore, key: str) -> None:
        with pytest.raises(Rejected) as refusal:
            await store.move(f"{UPLOADS}{key}", key)
        assert (refusal.value.code, refusal.value.status) == (MISSING, 404)
        assert await store.head(key) is None

    async def test_lists_follow_the_order_of_keys(self, store: BlobStore) -> None:
        prefix = f"queries/{secrets.token_hex(8)}"
        names = ["b", "a", "a/b", "a0", "c/d/e", "B"]
        for name in names:
            await store.put(f"{prefix}/{name}", b"data", content_type="audio/flac")
        await store.put(f"{prefix}x", b"other", content_type="audio/flac")
        listed = await store.list(f"{prefix}/")
        assert [blob.key for blob in listed] == [f"{prefix}/{name}" for name in sorted(names)]
        assert {(blob.size_bytes, blob.content_type) for blob in listed} == {(4, "")}
        assert [blob.key for blob in await store.list(f"{prefix}/a", limit=2)] == [f"{prefix}/a", f"{prefix}/a/b"]
        assert len(await store.list(prefix)) == len(names) + 1
        assert await store.list(f"{prefix}/nobody/") == []

    @pytest.mark.parametrize(
        "bad",
        ["", "/", "/etc/passwd", "a//b", "a/", "..", "../a", "a/../b", "a/./b", "a\\b", "a b", "a\0", "a~data", "é"],
    )
    async def test_keys_that_leave_the_store_are_refused(self, store: BlobStore, tmp_path: Path, bad: str) -> None:
        calls = (
            store.put(bad, b"data", content_type="audio/flac"),
            store.get(bad),
            store.head(bad),
            store.sha256(bad),
            store.download(bad, tmp_path / "target"),
            store.delete(bad),
            store.move(bad, "songs/good"),
            store.move("songs/good", bad),
            store.sign_get(bad, valid_s=60),
            store.sign_put(bad, size_bytes=1, content_type="audio/flac", valid_s=60),
            store.open_multipart(bad, content_type="audio/flac"),
        )
        for call in calls:
            with pytest.raises(Rejected) as refusal:
                await call
            assert refusal.value.code == "blob_key_invalid"


class TestSignedUploads:
    async def test_the_signed_upload_stores_the_very_bytes(
        self, store: BlobStore, client: httpx.AsyncClient, key: str
    ) -> None:
        data = secrets.token_bytes(2_500_000)
        signed = await store.sign_put(key, size_bytes=len(data), content_type="audio/flac", valid_s=60)
        assert (await send(client, signed, data)).status_code == 200
        info = await store.head(key)
        assert info is not None
        assert (info.size_bytes, info.content_type) == (len(data), "audio/flac")
        assert await store.get(key) == data

    @pytest.mark.parametrize(
        "forgery",
        ["longer", "shorter", "other type", "no type", "other signature", "no signature", "other key", "GET", "DELETE"],
    )
    async def test_any_other_upload_is_refused_and_stores_nothing(
        self, store: BlobStore, client: httpx.AsyncClient, key: str, forgery: str
    ) -> None:
        signed = await store.sign_put(key, size_bytes=10, content_type="audio/flac", valid_s=60)
        method, url, headers, data = "PUT", signed.url, dict(signed.headers), b"0123456789"
        match forgery:
            case "longer":
                data += b"x"
            case "shorter":
                data = data[:-1]
            case "other type":
                headers["Content-Type"] = "text/html"
            case "no type":
                headers = {}
            case "other signature":
                url = altered_signature(url)
            case "no signature":
                url = url.partition("?")[0]
            case "other key":
                url = altered(url, key, f"{key}x")
            case _:
                method = forgery
        answer = await client.request(method, url, headers=headers, content=data if method == "PUT" else None)
        assert 400 <= answer.status_code < 500
        if forgery not in ("longer", "shorter", "DELETE"):
            assert answer.status_code == 403
        assert await store.list(key) == []

    async def test_an_upload_that_was_moved_is_out_of_reach_of_its_url(
        self, store: BlobStore, client: httpx.AsyncClient, key: str
    ) -> None:
        source = f"{UPLOADS}{key}"
        signed = await store.sign_put(source, size_bytes=4, content_type="audio/flac", valid_s=60)
        assert (await send(client, signed, b"good")).status_code == 200
        await store.move(source, key)
        assert (await send(client, signed, b"evil")).status_code == 200  # within its life, to where nothing matters
        assert await store.get(key) == b"good"
        await store.delete(source)

    async def test_urls_expire(self, store: BlobStore, client: httpx.AsyncClient, key: str) -> None:
        await store.put(key, b"data", content_type="audio/flac")
        upload = await store.sign_put(f"{key}x", size_bytes=4, content_type="audio/flac", valid_s=1)
        download = await store.sign_get(key, valid_s=1)
        await asyncio.sleep(2.2)
        assert (await send(client, upload, b"data")).status_code == 403
        assert (await send(client, download)).status_code == 403
        assert await store.head(f"{key}x") is None


class TestSignedDownloads:
    async def test_the_signed_download_returns_the_very_bytes_again_and_again(
        self, store: BlobStore, client: httpx.AsyncClient, key: str
    ) -> None:
        data = secrets.token_bytes(300_000)
        await store.put(key, data, content_type="audio/flac")
        signed = await store.sign_get(key, valid_s=60)
        for _ in range(2):
            answer = await send(client, signed)
            assert (answer.status_code, answer.content) == (200, data)
            assert answer.headers["content-type"] == "audio/flac"
            assert answer.headers["accept-ranges"] == "bytes"
            assert "content-disposition" not in answer.headers

    @pytest.mark.parametrize(
        ("wanted", "start", "end"), [("2-5", 2, 6), ("7-", 7, 10), ("-3", 7, 10), ("0-0", 0, 1), ("5-99", 5, 10)]
    )
    async def test_a_range_is_answered_in_part(
        self, store: BlobStore, client: httpx.AsyncClient, key: str, wanted: str, start: int, end: int
    ) -> None:
        await store.put(key, b"0123456789", content_type="audio/flac")
        signed = await store.sign_get(key, valid_s=60)
        answer = await client.get(signed.url, headers={"Range": f"bytes={wanted}"})
        assert (answer.status_code, answer.content) == (206, b"0123456789"[start:end])
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/10"

    async def test_a_range_behind_the_end_cannot_be_satisfied(
        self, store: BlobStore, client: httpx.AsyncClient, key: str
    ) -> None:
        await store.put(key, b"0123456789", content_type="audio/flac")
        signed = await store.sign_get(key, valid_s=60)
        assert (await client.get(signed.url, headers={"Range": "bytes=10-"})).status_code == 416

    async def test_a_download_name_reaches_the_browser(
        self, store: BlobStore, client: httpx.AsyncClient, key: str
    ) -> None:
        await store.put(key, b"data", content_type="audio/flac")
        name = 'Größe; "1" & 50 %\r\nX: y.flac'
        answer = await send(client, await store.sign_get(key, valid_s=60, download_name=name))
        disposition = "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe%3B%20%221%22%20%26%2050%20%25%0D%0AX%3A%20y.flac"
        assert (answer.status_code, answer.content) == (200, b"data")
        assert answer.headers["content-disposition"] == disposition

    async def test_a_download_name_is_no_longer_than_a_file_system_takes(
        self, store: BlobStore, client: httpx.AsyncClient, key: str
    ) -> None:
        await store.put(key, b"data", content_type="audio/flac")
        for name in ("\N{MUSICAL NOTE}" * 1000 + ".flac", "x" * 1000, "." * 1000 + "\N{MUSICAL NOTE}" * 1000):
            answer = await send(client, await store.sign_get(key, valid_s=60, download_name=name))
            shown = unquote(answer.headers["content-disposition"].partition("''")[2])
            assert answer.status_code == 200
            assert 190 < len(shown.encode()) <= 200
            assert name.startswith(shown.removesuffix(".flac"))
            assert shown.endswith(".flac") == name.endswith(".flac")

    @pytest.mark.parametrize("forgery", ["signature", "key", "name", "PUT", "anonymous"])
    async def test_an_altered_download_is_refused(
        self, store: BlobStore, client: httpx.AsyncClient, key: str, forgery: str
    ) -> None:
        await store.put(key, b"secret", content_type="audio/flac")
        await store.put(f"{key}x", b"secret", content_type="audio/flac")
        signed = await store.sign_get(key, valid_s=60, download_name="one.flac")
        url = {
            "signature": altered_signature(signed.url),
            "key": altered(signed.url, key, f"{key}x"),
            "name": altered(signed.url, "one.flac", "two.flac"),
            "PUT": signed.url,
            "anonymous": signed.url.partition("?")[0],
        }[forgery]
        answer = await client.request("PUT" if forgery == "PUT" else "GET", url)
        assert answer.status_code == 403
        assert b"secret" not in answer.content
        assert await store.get(key) == b"secret"

    async def test_a_signed_url_of_a_missing_blob_is_not_found(
        self, store: BlobStore, client: httpx.AsyncClient, key: str
    ) -> None:
        assert (await send(client, await store.sign_get(key, valid_s=60))).status_code == 404


class TestUploadsInParts:
    async def upload(
        self, store: BlobStore, client: httpx.AsyncClient, key: str, upload_id: str, *parts: bytes
    ) -> None:
        for number, part in enumerate(parts, start=1):
            signed = await store.sign_part(key, upload_id, number, size_bytes=len(part), valid_s=60)
            assert (await send(client, signed, part)).status_code == 200

    async def test_parts_join_in_the_order_of_their_numbers(
        self, store: BlobStore, client: httpx.AsyncClient, key: str
    ) -> None:
        first, second, third = secrets.token_bytes(MIN_PART_BYTES), secrets.token_bytes(MIN_PART_BYTES + 7), b"rest"
        upload_id = await store.open_multipart(key, content_type="audio/flac")
        await self.upload(store, client, key, upload_id, first, second, third)
        assert await store.arrived_parts(key, upload_id) == {1: len(first), 2: len(second), 3: len(third)}
        await self.upload(store, client, key, upload_id, first)  # its answer was lost, for example
        size_bytes = len(first + second + third)
        await self.refused(store, key, upload_id, size_bytes=size_bytes + 1)  # a part after these is missing
        await store.complete_multipart(key, upload_id, size_bytes=size_bytes)
        await store.complete_multipart(key, upload_id, size_bytes=size_bytes)
        assert await store.arrived_parts(key, upload_id) == {}
        info = await store.head(key)
        assert info is not None
        assert (info.size_bytes, info.content_type) == (len(first + second + third), "audio/flac")
        assert await store.sha256(key) == hashlib.sha256(first + second + third).hexdigest()

    async def test_parts_may_be_joined_many_times_at_once(
        self, store: BlobStore, client: httpx.AsyncClient, key: str
    ) -> None:
        for number in range(5):
            upload_id = await store.open_multipart(f"{key}{number}", content_type="audio/flac")
            await self.upload(store, client, f"{key}{number}", upload_id, b"data")
            joining = (store.complete_multipart(f"{key}{number}", upload_id, size_bytes=4) for _ in range(6))
            await asyncio.gather(*joining)
            assert await store.get(f"{key}{number}") == b"data"

    @pytest.mark.parametrize("numbers", [(), (2,), (1, 3)])
    async def test_an_upload_with_missing_parts_cannot_be_completed(
        self, store: BlobStore, client: httpx.AsyncClient, key: str, numbers: tuple[int, ...]
    ) -> None:
        upload_id = await store.open_multipart(key, content_type="audio/flac")
        for number in numbers:
            signed = await store.sign_part(key, upload_id, number, size_bytes=4, valid_s=60)
            assert (await send(client, signed, b"data")).status_code == 200
        await self.refused(store, key, upload_id, size_bytes=4 * len(numbers))
        assert await store.arrived_parts(key, upload_id) == dict.fromkeys(numbers, 4)
        assert await store.arrived_parts(f"{key}x", upload_id) == {}
        await store.abort_multipart(key, upload_id)

    async def test_a_small_part_before_the_last_is_refused(
        self, store: BlobStore, client: httpx.AsyncClient, key: str
    ) -> None:
        upload_id = await store.open_multipart(key, content_type="audio/flac")
        await self.upload(store, client, key, upload_id, b"small", b"small")
        await self.refused(store, key, upload_id, size_bytes=10)
        await store.abort_multipart(key, upload_id)

    async def test_an_aborted_or_unknown_upload_cannot_be_completed(
        self, store: BlobStore, client: httpx.AsyncClient, key: str
    ) -> None:
        upload_id = await store.open_multipart(key, content_type="audio/flac")
        await self.upload(store, client, key, upload_id, b"data")
        late = await store.sign_part(key, upload_id, 2, size_bytes=4, valid_s=60)
        await store.abort_multipart(key, upload_id)
        await store.abort_multipart(key, upload_id)
        await self.refused(store, key, upload_id)
        assert (await send(client, late, b"late")).status_code == 404
        await self.refused(store, key, upload_id)
        await self.refused(store, key, "0" * 32)

    @pytest.mark.parametrize("forgery", ["longer", "shorter", "number", "upload"])
    async def test_only_the_signed_part_is_taken(
        self, store: BlobStore, client: httpx.AsyncClient, key: str, forgery: str
    ) -> None:
        upload_id = await store.open_multipart(key, content_type="audio/flac")
        signed = await store.sign_part(key, upload_id, 1, size_bytes=4, valid_s=60)
        url, data = signed.url, {"longer": b"datax", "shorter": b"dat"}.get(forgery, b"data")
        if forgery == "number":
            url = url.replace("part=1", "part=2").replace("partNumber=1", "partNumber=2")
        if forgery == "upload":
            url = altered(url, upload_id, await store.open_multipart(key, content_type="text/html"))
        answer = await client.put(url, content=data)
        assert 400 <= answer.status_code < 500
        assert forgery in ("longer", "shorter") or answer.status_code == 403
        await self.refused(store, key, upload_id)
        await store.abort_multipart(key, upload_id)

    async def refused(self, store: BlobStore, key: str, upload_id: str, *, size_bytes: int = 4) -> None:
        with pytest.raises(Rejected) as refusal:
            await store.complete_multipart(key, upload_id, size_bytes=size_bytes)
        assert refusal.value.code == "upload_incomplete"
        assert await store.head(key) is None


class TestFolder:
    @pytest.fixture
    async def folder(self, tmp_path: Path) -> AsyncIterator[FolderStore]:
        async with served_folder(tmp_path / "root") as made:
            await made.open()
            yield made
            await made.close()

    async def test_what_users_uploaded_cannot_run_in_a_browser(
        self, folder: FolderStore, client: httpx.AsyncClient, key: str
    ) -> None:
        await folder.put(key, b"<script>alert(1)</script>", content_type="text/html")
        signed = await folder.sign_get(key, valid_s=60)
        for method in ("GET", "HEAD"):
            answer = await client.request(method, signed.url)
            assert answer.status_code == 200
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in answer.headers["content-security-policy"]

    async def test_an_upload_without_a_length_is_measured_while_it_arrives(
        self, folder: FolderStore, client: httpx.AsyncClient, key: str, tmp_path: Path
    ) -> None:
        async def blocks(count: int) -> AsyncIterator[bytes]:
            for _ in range(count):
                yield bytes(100_000)

        signed = await folder.sign_put(key, size_bytes=300_000, content_type="audio/flac", valid_s=60)
        for count, status in ((2, 400), (4, 413), (3, 200)):
            answer = await client.put(signed.url, headers=dict(signed.headers), content=blocks(count))
            assert answer.status_code == status
            assert (await folder.head(key) is not None) is (status == 200)
        assert names_in(tmp_path / "root" / "incoming") == []

    async def test_an_upload_that_breaks_off_leaves_nothing(
        self, folder: FolderStore, key: str, tmp_path: Path
    ) -> None:
        signed = await folder.sign_put(key, size_bytes=300_000, content_type="audio/flac", valid_s=60)
        url = urlsplit(signed.url)
        _, writer = await asyncio.open_connection(url.hostname, url.port)
        head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\nContent-Type: audio/flac\r\n"
        writer.write(head.encode() + b"Content-Length: 300000\r\n\r\n" + bytes(200_000))
        await writer.drain()
        incoming = tmp_path / "root" / "incoming"
        await until(lambda: len(names_in(incoming)) == 1)
        writer.close()
        await until(lambda: names_in(incoming) == [])
        assert await folder.head(key) is None

    @pytest.mark.parametrize("extra", ["&size=99", "&method=GET", "&expires=9999999999", "&other=1", "&signature=0"])
    async def test_no_field_can_be_added_to_a_signed_url(
        self, folder: FolderStore, client: httpx.AsyncClient, key: str, extra: str
    ) -> None:
        signed = await folder.sign_put(key, size_bytes=4, content_type="audio/flac", valid_s=60)
        answer = await client.put(signed.url + extra, headers=dict(signed.headers), content=b"data")
        assert (answer.status_code, answer.json()["code"]) == (403, "signature_invalid")

    @pytest.mark.parametrize("path", ["..%2f..%2fsecret", "%2e%2e/secret", "songs/%00", "~data", "%ff"])
    async def test_paths_that_leave_the_folder_are_refused(
        self, folder: FolderStore, client: httpx.AsyncClient, key: str, tmp_path: Path, path: str
    ) -> None:
        (tmp_path / "secret").write_text("hidden words")
        (tmp_path / "root" / "secret").write_text("hidden words")
        signed = await folder.sign_get(key, valid_s=60)
        answer = await client.get(altered(signed.url, key, path))
        assert answer.status_code in (403, 404)
        assert "hidden words" not in answer.text

    async def test_what_nobody_finished_is_removed_after_days(
        self, folder: FolderStore, key: str, tmp_path: Path
    ) -> None:
        old, new, song = f"{UPLOADS}{key}", f"{UPLOADS}{key}x", key
        for name in (old, new, song):
            await folder.put(name, b"data", content_type="audio/flac")
        parts = [await folder.open_multipart(song, content_type="audio/flac") for _ in range(2)]
        for path in (folder.path(old), folder.path(song), tmp_path / "root" / "uploads" / parts[0]):
            os.utime(path, (0, 0))
        await folder.open()
        assert [await folder.head(name) is not None for name in (old, new, song)] == [False, True, True]
        assert names_in(tmp_path / "root" / "uploads") == [parts[1]]

    async def test_a_url_of_another_secret_is_refused(
        self, folder: FolderStore, client: httpx.AsyncClient, key: str, tmp_path: Path
    ) -> None:
        await folder.put(key, b"data", content_type="audio/flac")
        signed = await folder.sign_get(key, valid_s=60)
        base_url = signed.url.partition("/blobs/")[0]
        other = FolderStore(tmp_path / "root", base_url=base_url, secret=secrets.token_bytes(32))
        assert (await send(client, await other.sign_get(key, valid_s=60))).status_code == 403
        assert (await send(client, signed)).status_code == 200
        await other.close()

    async def test_a_reader_of_a_replaced_blob_sees_one_version_whole(self, folder: FolderStore, key: str) -> None:
        versions = [bytes([number]) * 200_000 for number in range(2)]
        await folder.put(key, versions[0], content_type="audio/flac")

        async def write() -> None:
            for number in range(20):
                await folder.put(key, versions[number % 2], content_type="audio/flac")

        async def read() -> None:
            for _ in range(20):
                assert await folder.get(key) in versions

        await asyncio.gather(write(), read(), read())


class TestS3:
    @pytest.fixture
    def settings(self, s3_endpoint: str) -> BlobSettings:
        return BlobSettings(bucket=f"b{secrets.token_hex(8)}", endpoint_url=s3_endpoint, cors_origins=[ORIGIN])

    async def test_processes_that_open_at_once_share_one_bucket_with_cors(
        self, settings: BlobSettings, client: httpx.AsyncClient, key: str
    ) -> None:
        stores = [S3Store(settings), S3Store(settings)]
        await asyncio.gather(*(store.open() for store in stores))
        await stores[0].put(key, b"0123456789", content_type="audio/flac")
        assert await stores[1].get(key) == b"0123456789"
        upload = await stores[0].sign_put(f"{key}x", size_bytes=4, content_type="audio/flac", valid_s=60)
        asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
        preflight = await client.options(upload.url, headers={"Origin": ORIGIN, **asked})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == ORIGIN
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        assert "content-type" in preflight.headers["access-control-allow-headers"].lower()
        stranger = await client.options(upload.url, headers={"Origin": "https://evil.example", **asked})
        assert "access-control-allow-origin" not in stranger.headers
        download = await stores[0].sign_get(key, valid_s=60)
        answer = await client.get(download.url, headers={"Origin": ORIGIN, "Range": "bytes=0-1"})
        exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert exposed == {"etag", "content-range", "accept-ranges"}
        for store in stores:
            await store.close()

    async def test_a_bucket_lets_in_pages_of_origins_that_were_named_later_too(
        self, settings: BlobSettings, client: httpx.AsyncClient, key: str
    ) -> None:
        origins = [ORIGIN, "https://later.example"]
        for number in (1, 2, 2, 1):
            store = S3Store(settings.model_copy(update={"cors_origins": origins[:number]}))
            await store.open()
            upload = await store.sign_put(key, size_bytes=4, content_type="audio/flac", valid_s=60)
            await store.close()
        for origin in origins:
            asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
            preflight = await client.options(upload.url, headers=asked)
            assert preflight.headers["access-control-allow-origin"] == origin

    async def test_the_bucket_sweeps_leftovers_by_itself_unless_its_owner_has_rules(
        self, settings: BlobSettings, key: str
    ) -> None:
        store = S3Store(settings)
        await store.open()
        s3 = aws_client(
            "s3", endpoint_url=settings.endpoint_url, region=settings.region, connections=1, read_timeout_s=9
        )
        bucket = settings.bucket
        rules = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
        assert rules["uploads"]["Expiration"]["Days"] == LEFTOVER_DAYS
        assert rules["uploads"]["Filter"]["Prefix"] == UPLOADS
        assert rules["parts"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == LEFTOVER_DAYS
        own = {"ID": "own", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}}
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [own]})
        await store.open()
        assert [rule["ID"] for rule in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]] == ["own"]
        s3.close()
        await store.close()

    async def test_urls_are_signed_for_the_endpoint_that_clients_see(
        self, settings: BlobSettings, client: httpx.AsyncClient, key: str
    ) -> None:
        public = str(settings.endpoint_url).replace("127.0.0.1", "localhost")
        store = S3Store(settings.model_copy(update={"public_endpoint_url": public}))
        await store.open()
        await store.put(key, b"data", content_type="audio/flac")
        signed = await store.sign_get(key, valid_s=60)
        assert signed.url.startswith(public)
        assert (await send(client, signed)).content == b"data"
        assert (await client.get(signed.url.replace("localhost", "127.0.0.1"))).status_code == 403
        await store.close()

    async def test_a_server_that_is_away_is_unavailable(
        self, aws_credentials: tuple[str, str], tmp_path: Path, key: str
    ) -> None:
        store = S3Store(BlobSettings(endpoint_url="http://127.0.0.1:9"))
        for call in (store.open(), store.get(key), store.head(key), store.put(key, b"data", content_type="audio/flac")):
            with pytest.raises(Unavailable):
                await call
        await store.close()
