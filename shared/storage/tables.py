"""What can a service ask of its table, whichever database holds it?

A table is a set of items with a partition key `pk` and a sort key `sk`, plus secondary indexes that hold only the items
which have the index's attributes. That is what DynamoDB offers, and all that a domain store may rely on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

Value: TypeAlias = "bool | int | float | str | bytes | list[Value] | Mapping[str, Value] | None"
Item: TypeAlias = Mapping[str, Value]
"""Attributes by name, `pk` and `sk` among them. At most 400 KB. A float that is whole may return as an int."""

MAX_ITEM_BYTES = 400 * 1024


@dataclass(frozen=True, slots=True)
class Key:
    """The address of an item."""

    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Index:
    """A sparse secondary index over two string attributes. Its reads may lag behind its table for a moment."""

    name: str
    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table and its indexes. `expiry` names the attribute with the epoch second after which an item is gone."""

    name: str
    indexes: tuple[Index, ...] = ()
    expiry: str | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """Condition: no item has this key."""


@dataclass(frozen=True, slots=True)
class Exists:
    """Condition: an item has this key."""


@dataclass(frozen=True, slots=True)
class Equals:
    """Condition: the stored item's attribute has this value."""

    attribute: str
    value: str | int | bool


@dataclass(frozen=True, slots=True)
class Older:
    """Condition: no item is stored, or the number in its attribute is smaller than `than`."""

    attribute: str
    than: int


Condition: TypeAlias = Absent | Exists | Equals | Older


@dataclass(frozen=True, slots=True)
class Put:
    """Store the item, replacing what is there, if the condition holds."""

    item: Item
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the item, if the condition holds. Removing what is not there is no error."""

    key: Key
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Change nothing, but fail the transaction unless the condition holds."""

    key: Key
    condition: Condition


@dataclass(frozen=True, slots=True)
class Add:
    """Add to whole numbers of an item, if the condition holds; what is missing, the item too, counts as 0.

    Only in transactions, only to items that do not expire, and only up to ``2**53``: DynamoDB adds 38 digits exactly,
    but not every database that speaks its language does.
    """

    key: Key
    amounts: Mapping[str, int]
    condition: Condition | None = None


Write: TypeAlias = Put | Delete | Check | Add


class ConditionFailed(Exception):
    """A condition did not hold; nothing was written.

    Attributes
    ----------
    failed : tuple of int
        Positions of the writes whose conditions failed; empty where a transaction lost against a concurrent one.
    """

    def __init__(self, failed: Sequence[int] = ()) -> None:
        super().__init__(f"condition failed for writes {list(failed)}")
        self.failed = tuple(failed)


@dataclass(frozen=True, slots=True)
class Page:
    """Some items of a query, and where to go on; `cursor` is None on the last page and opaque otherwise."""

    items: list[Item] = field(default_factory=list)
    cursor: str | None = None


class Table(Protocol):
    """Items of one service. Expired items are as if they were not; every call raises `Unavailable` when it is away."""

    async def create(self) -> None:
        """Make the table and its indexes where they are missing."""

    async def close(self) -> None:
        """Release connections."""

    async def get(self, key: Key) -> Item | None:
        """Read one item, consistently."""

    async def batch_get(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """Read any number of items, consistently; keys without an item are missing from the answer."""

    async def put(self, item: Item, *, condition: Condition | None = None) -> None:
        """Store an item.

        Raises
        ------
        ConditionFailed
            The condition did not hold.
        Rejected
            The item is larger than 400 KB.
        """

    async def delete(self, key: Key, *, condition: Condition | None = None) -> None:
        """Remove an item, if the condition holds."""

    async def transact(self, writes: Sequence[Write]) -> None:
        """Do all writes or none: at most 100, on different keys.

        Raises
        ------
        ConditionFailed
            A condition did not hold, or the transaction lost against a concurrent one.
        """

    async def batch_write(self, puts: Sequence[Item], deletes: Sequence[Key] = ()) -> None:
        """Store and remove any number of items without conditions, each on its own."""

    async def query(
        self,
        pk: str,
        *,
        sk_prefix: str = "",
        limit: int = 100,
        cursor: str | None = None,
        descending: bool = False,
    ) -> Page:
        """Read a partition in the order of `sk`, consistently, page by page."""

    async def query_index(
        self,
        index: Index,
        pk: str,
        *,
        sk_from: str | None = None,
        sk_below: str | None = None,
        sk_prefix: str = "",
        limit: int = 100,
        cursor: str | None = None,
        descending: bool = False,
    ) -> Page:
        """Read a partition of an index in the order of its sort key; `sk_from` is inclusive, `sk_below` is not.

        `sk_prefix` cannot be combined with `sk_from` or `sk_below`.
        """
