"""What has somebody asked before?"""

from __future__ import annotations

import time
from typing import Any

from services.gateway.schemas import Answer
from shared.storage.personal import PersonalItems, personal_partition
from shared.storage.tables import Key, Table, TableSpec

QUERIES = TableSpec("queries", expiry="expires_at")
_NOT_KEPT: dict[str, Any] = {"match": {"aligned"}, "alternatives": {"__all__": {"aligned"}}}


class QueryStore:
    """Answered questions by person, for a while. No audio."""

    def __init__(self, table: Table, *, life_s: int) -> None:
        self._table = table
        self._personal = PersonalItems(table)
        self._life_s = life_s

    async def add(self, user_id: str, answer: Answer) -> None:
        """Remember an answer."""
        await self._table.put(
            {
                "pk": personal_partition(user_id),
                "sk": answer.query_id,
                "answer": answer.model_dump_json(exclude=_NOT_KEPT),
                "expires_at": int(time.time()) + self._life_s,
            }
        )
        await self._personal.settle(user_id)

    async def remove(self, user_id: str, query_id: str) -> None:
        """Forget one answer; an unknown one is no error."""
        await self._table.delete(Key(personal_partition(user_id), query_id))

    async def clear(self, user_id: str) -> None:
        """Forget all answers to somebody."""
        await self._personal.empty(user_id)

    async def forget(self, user_id: str) -> None:
        """Forget all about somebody whose account is gone."""
        await self._personal.erase(user_id)

    async def page(self, user_id: str, *, limit: int, cursor: str | None) -> tuple[list[Answer], str | None]:
        """Return somebody's answers, newest first."""
        page = await self._table.query(personal_partition(user_id), limit=limit, cursor=cursor, descending=True)
        return [Answer.model_validate_json(str(item["answer"])) for item in page.items], page.cursor
