"""Where did a query stop, and where does it go on?"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from shared.errors import Rejected
from shared.storage.items import MAX_PK_BYTES, MAX_SK_BYTES
from shared.storage.tables import Index, Item, Page

_MOST_BYTES = (MAX_SK_BYTES, MAX_PK_BYTES, MAX_SK_BYTES)
"""Of each part of a position; databases refuse to begin behind longer ones."""


def order_of(index: Index | None) -> tuple[str, ...]:
    """Return the attributes that order a partition of the table, or of an index, without ties."""
    return ("sk",) if index is None else (index.sk, "pk", "sk")


def page_of(found: Sequence[Item], limit: int, order: Sequence[str]) -> Page:
    """Make a page of at most `limit` items from what was found, which is one more where there are more."""
    items = list(found[:limit])
    if len(found) <= limit:
        return Page(items)
    return Page(items, cursor_behind(*(str(items[-1][name]) for name in order)))


def cursor_behind(*position: str) -> str:
    """Return the cursor that goes on behind this position, the values of the attributes of an order.

    No item need be there: who reads several partitions as one goes on behind the same place in all of them.
    """
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def read_cursor(
    cursor: str, parts: int, *, sk_prefix: str = "", sk_from: str | None = None, sk_below: str | None = None
) -> list[str]:
    """Return the position behind which a query goes on: the values of the attributes of its order.

    Raises
    ------
    Rejected
        No query of this shape and range returned such a cursor (``cursor_invalid``).
    """
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        json.dumps(position, ensure_ascii=False).encode()  # half surrogates are no text
    except (ValueError, RecursionError):
        position = None
    if (
        not isinstance(position, list)
        or len(position) != parts
        or not all(isinstance(part, str) for part in position)
        or not all(0 < len(part.encode()) <= most for part, most in zip(position, _MOST_BYTES, strict=False))
        or not position[0].startswith(sk_prefix)
        or (sk_from is not None and position[0] < sk_from)
        or (sk_below is not None and position[0] >= sk_below)
    ):
        raise Rejected("cursor_invalid", "the cursor does not belong to this query")
    return position


def check_range(sk_from: str | None, sk_below: str | None, sk_prefix: str) -> None:
    """Raise ValueError where a prefix is combined with a range."""
    if sk_prefix and (sk_from is not None or sk_below is not None):
        raise ValueError("sk_prefix cannot be combined with sk_from or sk_below")
