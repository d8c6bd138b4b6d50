"""How are several sorted partitions read as if they were one?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shared.storage.paging import cursor_behind
from shared.storage.tables import Item, Table


class Walk:
    """Goes through several sorted partitions as if they were one; what is in two of them comes once.

    Parameters
    ----------
    prefix : str
        What the sort keys begin with.
    position : str, optional
        The sort key behind which it begins; no item need be there.
    """

    def __init__(
        self, table: Table, partitions: Sequence[str], prefix: str, position: str | None, *, descending: bool = False
    ) -> None:
        self._table = table
        self._partitions = partitions
        self._prefix = prefix
        self._position = position
        self._descending = descending
        self.is_over = False

    async def following(self, limit: int) -> list[Item]:
        """Return the items that follow, at most `limit`; `is_over` says that there are no more."""
        cursor = cursor_behind(self._position) if self._position is not None else None
        reading = [
            self._table.query(
                partition, sk_prefix=self._prefix, limit=limit, cursor=cursor, descending=self._descending
            )
            for partition in self._partitions
        ]
        pages = await asyncio.gather(*reading)
        found = {str(item["sk"]): item for page in reversed(pages) for item in page.items}
        keys = sorted(found, reverse=self._descending)
        self.is_over = len(keys) <= limit and all(page.cursor is None for page in pages)
        if keys:
            self._position = keys[:limit][-1]
        return [found[key] for key in keys[:limit]]
