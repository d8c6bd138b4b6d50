"""What may an item hold, and how large is it? The same answer whichever database keeps it.

The limits and the way sizes are counted are those of DynamoDB:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from shared.errors import Rejected
from shared.storage.tables import MAX_ITEM_BYTES, Item, Key, Put, TableSpec, Value, Write

MAX_PK_BYTES = 2048
MAX_SK_BYTES = 1024
MAX_WRITES = 100
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_DIGITS = 38
SMALLEST_FLOAT = 1e-130
LARGEST_FLOAT = 9.9e125


def check_item(spec: TableSpec, item: Item) -> Key:
    """Return the address of an item that its table can keep.

    Raises
    ------
    Rejected
        The item is larger than 400 KB (``item_too_large``).
    ValueError, TypeError
        An attribute has a value that no table can keep, or that its key, index or expiry cannot have.
    """
    size_bytes = item_bytes(item)
    if size_bytes > MAX_ITEM_BYTES:
        raise Rejected("item_too_large", f"item of {size_bytes} bytes, at most {MAX_ITEM_BYTES} fit", status=413)
    for index in spec.indexes:
        for name in (index.pk, index.sk):
            if name in item:
                _check_key_text(name, item[name], MAX_PK_BYTES if name == index.pk else MAX_SK_BYTES)
    if spec.expiry is not None and spec.expiry in item and type(item[spec.expiry]) not in (int, float):
        raise TypeError(f"{spec.expiry} must be a number of seconds, not {item[spec.expiry]!r}")
    return check_key(Key(_text(item, "pk"), _text(item, "sk")))


def check_key(key: Key) -> Key:
    """Return a key that an item can have, or raise ValueError."""
    _check_key_text("pk", key.pk, MAX_PK_BYTES)
    _check_key_text("sk", key.sk, MAX_SK_BYTES)
    return key


def check_distinct(keys: Sequence[Key]) -> None:
    """Raise ValueError where two writes of one call have the same key."""
    if len(set(keys)) < len(keys):
        raise ValueError("two writes of one call have the same key")


def check_transaction(spec: TableSpec, writes: Sequence[Write]) -> list[Key]:
    """Return the keys of a transaction that can be done in one step, or raise like `check_item`."""
    if len(writes) > MAX_WRITES:
        raise ValueError(f"{len(writes)} writes in one transaction, at most {MAX_WRITES} are possible")
    keys = [check_item(spec, write.item) if isinstance(write, Put) else check_key(write.key) for write in writes]
    check_distinct(keys)
    size_bytes = sum(item_bytes(write.item) for write in writes if isinstance(write, Put))
    if size_bytes > MAX_TRANSACTION_BYTES:
        raise ValueError(f"transaction of {size_bytes} bytes, at most {MAX_TRANSACTION_BYTES} are possible")
    return keys


def item_bytes(item: Item) -> int:
    """Return the size of an item, its attributes' names included, in bytes."""
    return _named_bytes(item.items(), depth=0)


def _named_bytes(values: Iterable[tuple[str, Value]], depth: int) -> int:
    return sum(_name_bytes(name) + _value_bytes(value, depth) for name, value in values)


def _name_bytes(name: str) -> int:
    if not isinstance(name, str) or not name:
        raise ValueError(f"attribute names are texts of at least one character, not {name!r}")
    return len(name.encode())


def _value_bytes(value: Value, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise ValueError(f"values nest deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, int | float):
        return _number_bytes(value)
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, list):
        return 3 + sum(1 + _value_bytes(element, depth + 1) for element in value)
    if isinstance(value, Mapping):
        return 3 + len(value) + _named_bytes(value.items(), depth + 1)
    raise TypeError(f"an item cannot hold a {type(value).__name__}")


def _number_bytes(number: float) -> int:
    if isinstance(number, int):
        if abs(number) >= 10**MAX_DIGITS:
            raise ValueError(f"integers have at most {MAX_DIGITS} digits, not {number}")
        digits = str(abs(number)).strip("0")
    else:
        if not math.isfinite(number) or (number and not SMALLEST_FLOAT <= abs(number) <= LARGEST_FLOAT):
            raise ValueError(f"numbers are 0 or of {SMALLEST_FLOAT} to {LARGEST_FLOAT}, not {number}")
        digits = float.__repr__(abs(number)).partition("e")[0].replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + (number < 0)


def _text(item: Item, name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text, not {value!r}")
    return value


def _check_key_text(name: str, value: Value, max_bytes: int) -> None:
    if not isinstance(value, str) or not 0 < len(value.encode()) <= max_bytes:
        raise ValueError(f"{name} must be a text of 1 to {max_bytes} bytes, not {value!r:.100}")
