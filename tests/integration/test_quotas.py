"""Are the counts of a user exact, and the quotas held, when many of their songs change at the same moment?"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.ingest.settings import IngestSettings
from services.ingest.songs import Status
from services.ingest.usage import Usage
from shared.catalogue import SONGS
from shared.errors import Rejected
from shared.runtime.settings import TableSettings
from shared.storage.dynamodb import DynamoTable
from shared.storage.sqlite import SqliteTable
from shared.storage.tables import Table
from tests.unit.ingest.instance import Ingest, person

PARALLEL = 16


@pytest.fixture(params=["sqlite", "ministack", "roto"])
async def table(request: pytest.FixtureRequest, tmp_path: Path) -> Table:
    made: Table
    if request.param == "sqlite":
        made = SqliteTable(tmp_path / "tables.sqlite", SONGS)
    else:
        name = "dynamodb_endpoint" if request.param == "ministack" else "roto_endpoint"
        settings = TableSettings(prefix=f"t{secrets.token_hex(4)}-", endpoint_url=request.getfixturevalue(name))
        made = DynamoTable(settings, SONGS)
    await made.create()
    return made


@pytest.fixture
async def ingest(table: Table, tmp_path: Path) -> AsyncIterator[Ingest]:
    async with Ingest.open(tmp_path, IngestSettings(quota_songs=20, quota_bytes=20 * 26), table=table) as ingest:
        yield ingest


async def test_uploads_at_the_same_moment_are_all_counted_and_none_is_above_the_quota(ingest: Ingest) -> None:
    uploads = await asyncio.gather(*(ingest.upload("ada") for _ in range(PARALLEL)))  # of 26 bytes each
    assert await ingest.store.usage("ada") == Usage(PARALLEL, 26 * PARALLEL, PARALLEL)

    decided = await asyncio.gather(*(ingest.fingerprint(upload.song_id) for upload in uploads))
    assert {song.status for song in decided} == {Status.READY}
    assert await ingest.store.usage("ada") == Usage(PARALLEL, 26 * PARALLEL, 0)

    more = await asyncio.gather(*(ingest.upload("ada") for _ in range(PARALLEL)), return_exceptions=True)
    refused = [one for one in more if isinstance(one, Rejected)]
    assert [(one.code, one.status) for one in refused] == [("quota_songs", 403)] * (2 * PARALLEL - 20)
    assert await ingest.store.usage("ada") == Usage(20, 20 * 26, 20 - PARALLEL)

    await asyncio.gather(*(ingest.service.delete(person("ada"), song.song_id) for song in decided))
    assert await ingest.store.usage("ada") == Usage(20 - PARALLEL, (20 - PARALLEL) * 26, 20 - PARALLEL)
    page, _ = await ingest.service.find(person("ada"), limit=50)
    assert len(page) == 20 - PARALLEL
