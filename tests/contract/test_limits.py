"""Do replicas grant together what one would, whichever table they share?"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.errors import Rejected, TooMany
from shared.runtime.limits import LIMITS, RateLimits
from shared.runtime.settings import TableSettings
from shared.storage.dynamodb import DynamoTable
from shared.storage.sqlite import SqliteTable
from shared.storage.tables import Table


@pytest.fixture(params=["sqlite", "dynamodb"])
async def replicas(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[list[RateLimits]]:
    """Two processes with one table."""
    tables: list[Table]
    if request.param == "sqlite":
        tables = [SqliteTable(tmp_path / "tables.sqlite", LIMITS) for _ in range(2)]
    else:
        endpoint_url = request.getfixturevalue("dynamodb_endpoint")
        settings = TableSettings(prefix=f"t{secrets.token_hex(4)}-", endpoint_url=endpoint_url)
        tables = [DynamoTable(settings, LIMITS) for _ in range(2)]
    await tables[0].create()
    yield [RateLimits(table) for table in tables]
    for table in tables:
        await table.close()


async def test_replicas_together_grant_what_one_would(replicas: list[RateLimits]) -> None:
    asked = [replicas[number % 2].take("ask", "ada", per_minute=2) for number in range(40)]
    answers = await asyncio.gather(*asked, return_exceptions=True)

    refused = [answer for answer in answers if answer is not None]
    assert len(refused) == 38
    assert all(isinstance(answer, TooMany) and 0 < answer.retry_after_s <= 30 for answer in refused)
    await replicas[0].take("ask", "bob", per_minute=2)
    await replicas[1].take("other", "ada", per_minute=2)


async def test_what_was_refused_is_granted_at_the_time_that_was_told(replicas: list[RateLimits]) -> None:
    asked = [replicas[0].take("ask", "ada", per_minute=60) for _ in range(75)]
    refused = [answer for answer in await asyncio.gather(*asked, return_exceptions=True) if isinstance(answer, TooMany)]
    await asyncio.sleep(refused[-1].retry_after_s + 0.01)
    await replicas[1].take("ask", "ada", per_minute=60)


async def test_only_what_was_rejected_is_counted(replicas: list[RateLimits]) -> None:
    for number in range(10):
        with pytest.raises(TooMany if number >= 3 else Rejected) as refused:
            async with replicas[number % 2].take_if_rejected("ask", "ada", per_minute=3):
                raise Rejected("wrong", "wrong")
        assert isinstance(refused.value, TooMany) == (number >= 3)
        if number < 2:
            async with replicas[0].take_if_rejected("ask", "ada", per_minute=3):
                pass
