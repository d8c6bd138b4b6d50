"""Has somebody asked for too much lately, whichever replica they asked?"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator
from ipaddress import IPv6Address, ip_address, ip_network
from weakref import WeakValueDictionary

from fastapi import Request

from shared.errors import Rejected, TooMany, Unavailable
from shared.storage.tables import Absent, ConditionFailed, Equals, Key, Table, TableSpec

LIMITS = TableSpec("limits", expiry="expires_at")
WINDOW_MS = 60_000
ATTEMPTS = 20
IPV6_PREFIX = 64
"""A customer gets at least so much of IPv6, so single addresses of it are free to whoever wants another one."""


class RateLimits:
    """Counts what each of many asks for, by the generic cell rate algorithm (ITU-T I.371, annex A).

    So many a minute may come at once, and then at an even pace. All that is kept of somebody is one time, until which
    what they have asked for is paid; when that has passed, the item has expired. Replicas share the table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        # Of one process only one asks at a time for the same item, so that only replicas lose writes to each other.
        self._locks: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def take(self, what: str, who: str, *, per_minute: int) -> None:
        """Count one more.

        Raises
        ------
        TooMany
            More than `per_minute` came within a minute; it is not counted.
        Unavailable
            The table did not answer, or too many replicas count the same at once.
        """
        await self._move(what, who, math.ceil(WINDOW_MS / per_minute))

    @contextlib.asynccontextmanager
    async def take_if_rejected(self, what: str, who: str, *, per_minute: int) -> AsyncIterator[None]:
        """Count what is done inside, and take it back unless it was `Rejected`.

        Raises
        ------
        TooMany
            More than `per_minute` were rejected within a minute; the inside is not reached.
        """
        cost_ms = math.ceil(WINDOW_MS / per_minute)
        await self._move(what, who, cost_ms)  # before: else many at once would all come in
        try:
            yield
        except Rejected:
            raise
        except BaseException:
            await self._move(what, who, -cost_ms)
            raise
        await self._move(what, who, -cost_ms)

    async def _move(self, what: str, who: str, cost_ms: int) -> None:
        key = Key(f"{what}#{who}", "limit")
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            for _ in range(ATTEMPTS):
                with contextlib.suppress(ConditionFailed):
                    return await self._try_to_move(key, what, cost_ms)
        raise Unavailable("too many requests are counted at once")

    async def _try_to_move(self, key: Key, what: str, cost_ms: int) -> None:
        item = await self._table.get(key)
        now_ms = time.time_ns() // 1_000_000
        paid_until_ms = 0 if item is None else item["paid_until_ms"]
        assert isinstance(paid_until_ms, int)
        following_ms = max(max(paid_until_ms, now_ms) + cost_ms, now_ms)
        if following_ms - now_ms > WINDOW_MS:
            wait_s = (following_ms - now_ms - WINDOW_MS) / 1000
            raise TooMany(f"too many requests ({what}); try again in {math.ceil(wait_s)} s", retry_after_s=wait_s)
        after = {"paid_until_ms": following_ms, "expires_at": math.ceil(following_ms / 1000)}
        condition = Absent() if item is None else Equals("paid_until_ms", paid_until_ms)
        await self._table.put({"pk": key.pk, "sk": key.sk, **after}, condition=condition)


def address_of(request: Request) -> str:
    """Return where a request comes from: an IPv4 address, or a network of IPv6."""
    host = request.client.host if request.client is not None else "unknown"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, IPV6_PREFIX), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)
