"""What opens a package, and what does not?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.streaming.grants import Grants
from services.streaming.media import MediaService
from services.streaming.media_routes import media_routes
from services.streaming.package import DESCRIPTION, Package, Rendition, StoredFile
from services.streaming.settings import StreamingSettings
from shared.runtime.problems import install_problem_handlers
from shared.storage.files import FolderStore

FILE = StoredFile(size_bytes=3, sha256="00" * 32)
PACKAGE = Package(
    package_id="p1",
    song_id="s1",
    sample_rate_hz=44_100,
    segment_samples=(176_128, 177_152),
    renditions=(
        Rendition(name="64k", bit_rate_bps=64_000, init=FILE, segments=(FILE, FILE), peak_bps=7, average_bps=6),
    ),
)


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[FolderStore]:
    store = FolderStore(tmp_path, base_url="http://media", secret=bytes(16))
    await store.open()
    await store.put(PACKAGE.prefix + DESCRIPTION, PACKAGE.model_dump_json().encode(), content_type="application/json")
    yield store
    await store.close()


async def read_key() -> bytes:
    return bytes(32)


GRANTS = Grants(read_key)


def player(blobs: FolderStore, settings: StreamingSettings | None = None) -> httpx.AsyncClient:
    settings = settings or StreamingSettings()
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(media_routes(MediaService(GRANTS, blobs, settings), settings))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://media")


async def base(song_id: str = "s1", package_id: str = "p1", *, valid_s: float = 60) -> str:
    _, token = await GRANTS.give("me", song_id, package_id, valid_s=valid_s)
    return f"/v1/media/s1/p1/{token}"


@pytest.mark.parametrize("name", ["master.m3u8", "64k.m3u8", "manifest.mpd", "64k/init.mp4", "64k/00001.m4s"])
async def test_a_grant_opens_its_own_package_until_it_ends(blobs: FolderStore, name: str) -> None:
    async with player(blobs) as client:
        assert (await client.get(f"{await base()}/{name}")).status_code in (200, 307)
        for closed in (await base(valid_s=-1), await base(song_id="s2"), await base(package_id="p2")):
            assert (await client.get(f"{closed}/{name}")).status_code == 403


@pytest.mark.parametrize("name", ["other.m3u8", "32k.m3u8", "64k/package.json", "64k/1.m4s", "..%2f/00001.m4s"])
async def test_a_package_has_only_its_own_files(blobs: FolderStore, name: str) -> None:
    async with player(blobs) as client:
        assert (await client.get(f"{await base()}/{name}")).status_code == 404


async def test_a_redirect_is_forgotten_before_its_url_expires(blobs: FolderStore) -> None:
    async with player(blobs, StreamingSettings(segment_url_s=60)) as client:
        answer = await client.get(f"{await base()}/64k/00002.m4s")

    assert answer.headers["location"].startswith("http://media/blobs/packages/s1/p1/64k/00002.m4s?")
    assert answer.headers["cache-control"] == "private, max-age=50"


async def test_playlists_can_carry_presigned_segments_instead(blobs: FolderStore) -> None:
    async with player(blobs, StreamingSettings(segment_links="presigned")) as client:
        answer = await client.get(f"{await base()}/64k.m3u8")

    links = [line for line in answer.text.splitlines() if "/blobs/packages/s1/p1/64k/" in line]
    assert len(links) == 3
    assert all("signature=" in link for link in links)
    assert answer.headers["cache-control"] == "no-store"


async def test_the_manifest_of_a_package_that_is_gone_is_gone(blobs: FolderStore) -> None:
    await blobs.delete(PACKAGE.prefix + DESCRIPTION)

    async with player(blobs) as client:
        assert (await client.get(f"{await base()}/master.m3u8")).status_code == 404
