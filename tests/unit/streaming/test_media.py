"""What opens a package, and what does not?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import httpx
import pytest
from fastapi import FastAPI

from services.streaming.grants import Grants
from services.streaming.media import MediaService
from services.streaming.media_routes import media_routes
from services.streaming.package import DESCRIPTION, Package, Rendition, StoredFile
from services.streaming.settings import StreamingSettings
from shared.catalogue import SONGS, Library, LibraryEntry
from shared.runtime.problems import install_problem_handlers
from shared.storage.files import FolderStore
from shared.storage.sqlite import SqliteTable

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
ENTRY = LibraryEntry("s1", 3, owner="somebody", visibility="shared")


@pytest.fixture
async def songs(tmp_path: Path) -> AsyncIterator[SqliteTable]:
    table = SqliteTable(tmp_path / "tables.sqlite", SONGS)
    await table.put(ENTRY.item())
    yield table
    await table.close()


class Player(Protocol):
    def __call__(self, settings: StreamingSettings | None = None) -> httpx.AsyncClient: ...


@pytest.fixture
def player(blobs: FolderStore, songs: SqliteTable) -> Player:
    def with_settings(settings: StreamingSettings | None = None) -> httpx.AsyncClient:
        settings = settings or StreamingSettings()
        app = FastAPI()
        install_problem_handlers(app)
        app.include_router(media_routes(MediaService(GRANTS, Library(songs), blobs, settings), settings))
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://media")

    return with_settings


async def base(song_id: str = "s1", package_id: str = "p1", *, valid_s: float = 60) -> str:
    _, token = await GRANTS.give("me", song_id, package_id, valid_s=valid_s)
    return f"/v1/media/s1/p1/{token}"


@pytest.mark.parametrize("name", ["master.m3u8", "64k.m3u8", "manifest.mpd", "64k/init.mp4", "64k/00001.m4s"])
async def test_a_grant_opens_its_own_package_until_it_ends(player: Player, name: str) -> None:
    async with player() as client:
        assert (await client.get(f"{await base()}/{name}")).status_code in (200, 307)
        for closed in (await base(valid_s=-1), await base(song_id="s2"), await base(package_id="p2")):
            assert (await client.get(f"{closed}/{name}")).status_code == 403


@pytest.mark.parametrize("name", ["other.m3u8", "32k.m3u8", "64k/package.json", "64k/1.m4s", "..%2f/00001.m4s"])
async def test_a_package_has_only_its_own_files(player: Player, name: str) -> None:
    async with player() as client:
        assert (await client.get(f"{await base()}/{name}")).status_code == 404


async def test_a_redirect_is_forgotten_before_its_url_expires(player: Player) -> None:
    async with player(StreamingSettings(segment_url_s=60)) as client:
        answer = await client.get(f"{await base()}/64k/00002.m4s")

    assert answer.headers["location"].startswith("http://media/blobs/packages/s1/p1/64k/00002.m4s?")
    assert answer.headers["cache-control"] == "private, max-age=50"


async def test_playlists_can_carry_presigned_segments_instead(player: Player) -> None:
    async with player(StreamingSettings(segment_links="presigned")) as client:
        answer = await client.get(f"{await base()}/64k.m3u8")

    links = [line for line in answer.text.splitlines() if "/blobs/packages/s1/p1/64k/" in line]
    assert len(links) == 3
    assert all("signature=" in link for link in links)
    assert answer.headers["cache-control"] == "no-store"


async def test_the_manifest_of_a_package_that_is_gone_is_gone(player: Player, blobs: FolderStore) -> None:
    await blobs.delete(PACKAGE.prefix + DESCRIPTION)

    async with player() as client:
        assert (await client.get(f"{await base()}/master.m3u8")).status_code == 404


async def test_whoever_does_not_see_the_song_any_more_ends_this_listening_and_begins_no_other(
    player: Player, songs: SqliteTable
) -> None:
    path = await base()
    await songs.put(replace(ENTRY, visibility="private").item())

    async with player() as client:
        for manifest in ("master.m3u8", "64k.m3u8", "manifest.mpd"):
            answer = await client.get(f"{path}/{manifest}")
            assert (answer.status_code, answer.json()["code"]) == (404, "song_not_found")
        assert (await client.get(f"{path}/64k/00002.m4s")).status_code == 307
