"""How are items kept on one machine? In an SQLite file that several tables and processes may share."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.errors import Unavailable
from shared.storage.items import check_distinct, check_item, check_key, check_transaction
from shared.storage.paging import check_range, order_of, page_of, read_cursor
from shared.storage.tables import (
    Absent,
    Add,
    Check,
    Condition,
    ConditionFailed,
    Delete,
    Equals,
    Exists,
    Index,
    Item,
    Key,
    Page,
    Put,
    TableSpec,
    Write,
)
from shared.storage.threads import Threads

BUSY_TIMEOUT_S = 10.0
READERS = 4
SWEEP_INTERVAL_S = 60.0
SWEEP_ITEMS = 1000
WRITES_AT_ONCE = 100

_TRY_AGAIN = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
}


class SqliteTable:
    """A `Table` in an SQLite file with a write-ahead log.

    What is committed survives the death of the process; the last moments may be lost when the machine loses power
    (``synchronous=NORMAL``). An item is one row: its attributes as JSON, and beside them the bytes of its binary
    values.

    Parameters
    ----------
    path : Path
        The file; it and its folder are made when missing.
    spec : TableSpec
        The table; an index that is new is filled from the items that are there.
    """

    def __init__(self, path: Path, spec: TableSpec) -> None:
        self._path = path
        self._spec = spec
        self._table = _name(spec.name)
        # One writer: SQLite lets only one write at a time, and its lock is not fair.
        self._writer = Threads(f"sqlite-{spec.name}-writer", size=1)
        self._readers = Threads(f"sqlite-{spec.name}-reader", size=READERS)
        self._of_thread = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._next_sweep_s = 0.0

    async def create(self) -> None:
        """Make the file, the table and its indexes where they are missing, now rather than at the first use."""
        await self._writer.run(self._connection)

    async def close(self) -> None:
        """Finish running work and close the file."""
        await self._writer.close()
        await self._readers.close()
        while self._connections:
            self._connections.pop().close()

    async def get(self, key: Key) -> Item | None:  # noqa: D102 - described by the port, like all below
        return (await self.batch_get([key])).get(key)

    async def batch_get(self, keys: Sequence[Key]) -> dict[Key, Item]:  # noqa: D102
        return await self._readers.run(self._batch_get, [check_key(key) for key in keys])

    async def put(self, item: Item, *, condition: Condition | None = None) -> None:  # noqa: D102
        await self.transact([Put(item, condition)])

    async def delete(self, key: Key, *, condition: Condition | None = None) -> None:  # noqa: D102
        await self.transact([Delete(key, condition)])

    async def transact(self, writes: Sequence[Write]) -> None:  # noqa: D102
        keys = check_transaction(self._spec, writes)
        await self._writer.run(self._write, keys, list(writes))

    async def batch_write(self, puts: Sequence[Item], deletes: Sequence[Key] = ()) -> None:  # noqa: D102
        keys = [*(check_item(self._spec, item) for item in puts), *(check_key(key) for key in deletes)]
        check_distinct(keys)
        writes: list[Write] = [*(Put(item) for item in puts), *(Delete(key) for key in deletes)]
        for start in range(0, len(writes), WRITES_AT_ONCE):
            some = slice(start, start + WRITES_AT_ONCE)
            await self._writer.run(self._write, keys[some], writes[some])

    async def query(  # noqa: D102
        self,
        pk: str,
        *,
        sk_prefix: str = "",
        limit: int = 100,
        cursor: str | None = None,
        descending: bool = False,
    ) -> Page:
        after = None if cursor is None else read_cursor(cursor, 1, sk_prefix=sk_prefix)
        bounds = (sk_prefix or None, _behind_prefix(sk_prefix))
        return await self._readers.run(self._query, None, pk, bounds, limit, after, descending)

    async def query_index(  # noqa: D102
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
        check_range(sk_from, sk_below, sk_prefix)
        after = (
            None if cursor is None else read_cursor(cursor, 3, sk_prefix=sk_prefix, sk_from=sk_from, sk_below=sk_below)
        )
        bounds = (sk_prefix, _behind_prefix(sk_prefix)) if sk_prefix else (sk_from, sk_below)
        return await self._readers.run(self._query, index, pk, bounds, limit, after, descending)

    def _batch_get(self, keys: list[Key]) -> dict[Key, Item]:
        with _answering():
            connection = self._connection()
            now_s = time.time()
            found = {key: self._read(connection, key, now_s) for key in keys}
        return {key: item for key, item in found.items() if item is not None}

    def _read(self, connection: sqlite3.Connection, key: Key, now_s: float) -> Item | None:
        row = connection.execute(
            f"SELECT attributes, binary FROM {self._table} WHERE pk = :pk AND sk = :sk AND {self._alive()}",
            {"pk": key.pk, "sk": key.sk, "now": now_s},
        ).fetchone()
        return None if row is None else _decode(*row)

    def _query(
        self,
        index: Index | None,
        pk: str,
        bounds: tuple[str | None, str | None],
        limit: int,
        after: list[str] | None,
        descending: bool,
    ) -> Page:
        order = order_of(index)
        columns = [name if name in ("pk", "sk") else _attribute(name) for name in order]
        terms = ["pk = :pk"]
        values: dict[str, object] = {
            "pk": pk,
            "low": bounds[0],
            "high": bounds[1],
            "now": time.time(),
            "limit": limit + 1,
        }
        if index is not None:  # the second term says that the sparse index may be used
            terms = [f"{_attribute(index.pk)} = :pk", f"{columns[0]} IS NOT NULL"]
        if bounds[0] is not None:
            terms.append(f"{columns[0]} >= :low")
        if bounds[1] is not None:
            terms.append(f"{columns[0]} < :high")
        if after is not None:
            position = {f"after{number}": part for number, part in enumerate(after)}
            terms.append(f"({', '.join(columns)}) {'<' if descending else '>'} (:{', :'.join(position)})")
            values.update(position)
        direction = "DESC" if descending else "ASC"
        statement = (
            f"SELECT attributes, binary FROM {self._table} WHERE {' AND '.join(terms)} AND {self._alive()} "
            f"ORDER BY {', '.join(f'{column} {direction}' for column in columns)} LIMIT :limit"
        )
        with _answering():
            rows = self._connection().execute(statement, values).fetchall()
        return page_of([_decode(*row) for row in rows], limit, order)

    def _write(self, keys: list[Key], writes: list[Write]) -> None:
        with _answering(), _transaction(self._connection()) as connection:
            now_s = time.time()
            failed = [
                position
                for position, (key, write) in enumerate(zip(keys, writes, strict=True))
                if write.condition is not None and not _holds(write.condition, self._read(connection, key, now_s))
            ]
            if failed:
                raise ConditionFailed(failed)
            for key, write in zip(keys, writes, strict=True):
                if isinstance(write, Put | Add):
                    item = write.item if isinstance(write, Put) else _sum(write, self._read(connection, key, now_s))
                    connection.execute(
                        f"INSERT OR REPLACE INTO {self._table} (pk, sk, attributes, binary) VALUES (?, ?, ?, ?)",
                        (key.pk, key.sk, *_encode(item)),
                    )
                elif not isinstance(write, Check):
                    connection.execute(f"DELETE FROM {self._table} WHERE pk = ? AND sk = ?", (key.pk, key.sk))
            self._sweep(connection, now_s)

    def _sweep(self, connection: sqlite3.Connection, now_s: float) -> None:
        if self._spec.expiry is None or time.monotonic() < self._next_sweep_s:
            return
        self._next_sweep_s = time.monotonic() + SWEEP_INTERVAL_S
        expired = f"SELECT rowid FROM {self._table} WHERE {_attribute(self._spec.expiry)} < ? LIMIT {SWEEP_ITEMS}"
        connection.execute(f"DELETE FROM {self._table} WHERE rowid IN ({expired})", (now_s,))

    def _alive(self) -> str:
        if self._spec.expiry is None:
            return "TRUE"
        return f"coalesce({_attribute(self._spec.expiry)} >= :now, TRUE)"

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            with _answering():
                connection = self._of_thread.connection = self._connect()
        return connection

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        self._connections.append(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        with _transaction(connection):
            for statement in self._schema():
                connection.execute(statement)
        return connection

    def _schema(self) -> Iterator[str]:
        yield (
            f"CREATE TABLE IF NOT EXISTS {self._table} (pk TEXT NOT NULL, sk TEXT NOT NULL, "
            "attributes TEXT NOT NULL, binary BLOB NOT NULL, PRIMARY KEY (pk, sk))"
        )
        sparse = [(index.name, order_of(index), index.pk, index.sk) for index in self._spec.indexes]
        for name, order, index_pk, index_sk in sparse:
            columns = [_attribute(index_pk), _attribute(index_sk), *order[1:]]
            yield (
                f"CREATE INDEX IF NOT EXISTS {_name(self._spec.name + '.' + name)} ON {self._table} "
                f"({', '.join(columns)}) WHERE {columns[0]} IS NOT NULL AND {columns[1]} IS NOT NULL"
            )
        if self._spec.expiry is not None:
            expiry = _attribute(self._spec.expiry)
            yield (
                f"CREATE INDEX IF NOT EXISTS {_name(self._spec.name + '.expiry')} ON {self._table} "
                f"({expiry}) WHERE {expiry} IS NOT NULL"
            )


def _holds(condition: Condition, stored: Item | None) -> bool:
    if isinstance(condition, Absent):
        return stored is None
    if isinstance(condition, Exists):
        return stored is not None
    if isinstance(condition, Equals):
        value = None if stored is None else stored.get(condition.attribute)
        return value == condition.value and isinstance(value, bool) == isinstance(condition.value, bool)
    if stored is None:
        return True
    number = stored.get(condition.attribute)
    return isinstance(number, int | float) and not isinstance(number, bool) and number < condition.than


def _sum(write: Add, stored: Item | None) -> Item:
    item = dict(stored or {"pk": write.key.pk, "sk": write.key.sk})
    for name, amount in write.amounts.items():
        number = item.get(name, 0)
        if type(number) is not int:
            raise TypeError(f"{name} must be a whole number to be added to, not {number!r}")
        item[name] = number + amount
    return item


def _encode(item: Item) -> tuple[str, bytes]:
    binary = bytearray()

    def place(value: object) -> object:
        if isinstance(value, bytes):
            start = len(binary)
            binary.extend(value)
            return {"": [start, len(binary)]}  # no attribute has an empty name
        if isinstance(value, Mapping):
            return dict(value)
        raise TypeError(f"an item cannot hold a {type(value).__name__}")

    return json.dumps(dict(item), default=place, allow_nan=False), bytes(binary)


def _decode(attributes: str, binary: bytes) -> Item:
    def take(value: dict[str, Any]) -> Any:
        return binary[slice(*value[""])] if "" in value else value

    # Without a function to call for each object, decoding is much faster; a text in an item has its quotes escaped.
    item: Item = json.loads(attributes, object_hook=take if '{"": [' in attributes else None)
    return item


def _name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise ValueError(f"names of tables and indexes are of letters, digits and ._-, not {name!r}")
    return f'"{name}"'


def _attribute(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise ValueError(f"names of indexed attributes are of letters, digits and _, not {name!r}")
    return f"json_extract(attributes, '$.{name}')"


def _behind_prefix(prefix: str) -> str | None:
    """Return the least text that sorts behind every text with this prefix, or None where there is none."""
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)  # surrogates are no characters


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in _TRY_AGAIN:  # the low byte is the primary code
            raise Unavailable(f"the table's file does not answer: {error}") from error
        raise
