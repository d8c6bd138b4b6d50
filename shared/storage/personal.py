"""Where does a service keep what belongs to one person, so that all of it goes with their account?"""

from __future__ import annotations

import time

from shared.storage.tables import Key, Table

MARKED_S = 86_400
"""How long it is remembered that an account is gone, in seconds: longer than any access token is good for."""


def personal_partition(user_id: str) -> str:
    """Return the partition in which everything about somebody is."""
    return f"user#{user_id}"


class PersonalItems:
    """The items that a table holds of each person, in a partition of their own. They go when the account is deleted.

    A token outlives its account for some minutes, and may write meanwhile. So whoever writes settles what they wrote:
    either the mark was there already, and it is removed, or `erase` comes later and finds it.

    Parameters
    ----------
    table : Table
        Its items expire by ``expires_at``.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    async def erase(self, user_id: str) -> None:
        """Remove everything about somebody whose account is gone; repeating it is no error."""
        mark = _mark(user_id)
        await self._table.put({"pk": mark.pk, "sk": mark.sk, "expires_at": int(time.time()) + MARKED_S})
        await self.empty(user_id)

    async def settle(self, user_id: str) -> None:
        """Remove what was just written about somebody, if their account is gone."""
        if await self._table.get(_mark(user_id)) is not None:
            await self.empty(user_id)

    async def empty(self, user_id: str) -> None:
        """Remove everything about somebody who stays, and may go on."""
        while items := (await self._table.query(personal_partition(user_id))).items:
            await self._table.batch_write([], [Key(str(item["pk"]), str(item["sk"])) for item in items])


def _mark(user_id: str) -> Key:
    return Key(f"gone#{user_id}", "gone")
