"""Do both tables keep the promises of their port?"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import Rejected, Unavailable
from shared.runtime.settings import TableSettings
from shared.storage.dynamodb import DynamoTable
from shared.storage.items import LARGEST_FLOAT, MAX_SK_BYTES, SMALLEST_FLOAT
from shared.storage.paging import cursor_behind
from shared.storage.sqlite import SqliteTable
from shared.storage.tables import (
    MAX_ITEM_BYTES,
    Absent,
    Add,
    Check,
    ConditionFailed,
    Delete,
    Equals,
    Exists,
    Index,
    Item,
    Key,
    Older,
    Put,
    Table,
    TableSpec,
    Value,
)

BY_OWNER = Index("by-owner", "owner", "created")
BY_STATUS = Index("by-status", "status", "due")
SPEC = TableSpec("songs", (BY_OWNER, BY_STATUS), expiry="expires_at")


@pytest.fixture(scope="module", params=["sqlite", "dynamodb"])
async def table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Table]:
    made: Table
    if request.param == "sqlite":
        made = SqliteTable(tmp_path_factory.mktemp("tables") / "deep" / "tables.sqlite", SPEC)
    else:
        endpoint_url = request.getfixturevalue("dynamodb_endpoint")
        made = DynamoTable(TableSettings(prefix=f"t{secrets.token_hex(4)}-", endpoint_url=endpoint_url), SPEC)
    await made.create()
    yield made
    await made.close()


@pytest.fixture
def pk() -> str:
    """A partition of the test's own, so that tests share a table."""
    return f"p#{secrets.token_hex(8)}"


async def sort_keys(table: Table, pk: str, **how: object) -> list[str]:
    """All sort keys of a query, read page by page."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await table.query(pk, cursor=cursor, **how)  # type: ignore[arg-type]  # forwarded as they are
        found += [str(item["sk"]) for item in page.items]
        cursor = page.cursor
        if cursor is None:
            return found


async def owned(table: Table, owner: str, **how: object) -> list[str]:
    """All sort keys of the items of one owner in the order of the index, read page by page."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await table.query_index(BY_OWNER, owner, cursor=cursor, **how)  # type: ignore[arg-type]  # forwarded
        found += [str(item["sk"]) for item in page.items]
        cursor = page.cursor
        if cursor is None:
            return found


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
floats = st.floats(-LARGEST_FLOAT, LARGEST_FLOAT).filter(lambda x: x == 0 or abs(x) >= SMALLEST_FLOAT)
scalars = st.none() | st.booleans() | st.integers(-(10**38) + 1, 10**38 - 1) | floats | texts | st.binary(max_size=50)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts.filter(bool), inner, max_size=4),
    max_leaves=12,
)


def plain(value: Value) -> object:
    """The value with its kinds, where whole numbers are of one kind."""
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, dict):
        return {name: plain(element) for name, element in value.items()}
    return value if isinstance(value, int | float) and not isinstance(value, bool) else (type(value), value)


class TestOneItem:
    @given(value=values)
    @settings(
        max_examples=60,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    async def test_a_value_returns_exactly_as_it_was_stored(self, table: Table, pk: str, value: Value) -> None:
        await table.put({"pk": pk, "sk": "a", "value": value})
        stored = await table.get(Key(pk, "a"))
        assert stored is not None
        assert plain(stored["value"]) == plain(value)

    async def test_an_unknown_key_has_no_item(self, table: Table, pk: str) -> None:
        assert await table.get(Key(pk, "nothing")) is None
        await table.delete(Key(pk, "nothing"))

    async def test_a_put_replaces_the_whole_item(self, table: Table, pk: str) -> None:
        await table.put({"pk": pk, "sk": "a", "title": "one", "year": 1999})
        await table.put({"pk": pk, "sk": "a", "title": "two"})
        assert await table.get(Key(pk, "a")) == {"pk": pk, "sk": "a", "title": "two"}

    async def test_of_twenty_racing_writers_one_wins(self, table: Table, pk: str) -> None:
        async def claim(number: int) -> int | None:
            try:
                await table.put({"pk": pk, "sk": "claim", "writer": number}, condition=Absent())
            except ConditionFailed:
                return None
            return number

        won = [number for number in await asyncio.gather(*map(claim, range(20))) if number is not None]
        assert len(won) == 1
        assert await table.get(Key(pk, "claim")) == {"pk": pk, "sk": "claim", "writer": won[0]}

    async def test_an_older_revision_never_replaces_a_newer_one(self, table: Table, pk: str) -> None:
        refused = []
        for revision in (1, 3, 2, 3):
            try:
                item: Item = {"pk": pk, "sk": "a", "revision": revision}
                await table.put(item, condition=Older("revision", than=revision))
            except ConditionFailed:
                refused.append(revision)
        stored = await table.get(Key(pk, "a"))
        assert (refused, stored and stored["revision"]) == ([2, 3], 3)

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            (Exists(), True),
            (Absent(), False),
            (Equals("state", "ready"), True),
            (Equals("state", "uploaded"), False),
            (Equals("missing", "ready"), False),
            (Equals("flag", True), True),
            (Equals("count", 1), True),
            (Equals("count", True), False),
            (Older("count", 2), True),
            (Older("count", 1), False),
            (Older("missing", 9), False),
        ],
    )
    async def test_a_condition_looks_at_the_stored_item(
        self, table: Table, pk: str, condition: Absent | Exists | Equals | Older, holds: bool
    ) -> None:
        await table.put({"pk": pk, "sk": "a", "state": "ready", "flag": True, "count": 1})
        if holds:
            await table.delete(Key(pk, "a"), condition=condition)
        else:
            with pytest.raises(ConditionFailed) as failure:
                await table.delete(Key(pk, "a"), condition=condition)
            assert failure.value.failed == (0,)
        assert (await table.get(Key(pk, "a")) is None) is holds

    async def test_an_item_may_have_400_kilobytes_and_no_byte_more(self, table: Table, pk: str) -> None:
        names = len("pk") + len(pk.encode()) + len("sk") + len("a") + len("data")
        largest = secrets.token_bytes(MAX_ITEM_BYTES - names)
        await table.put({"pk": pk, "sk": "a", "data": largest})
        stored = await table.get(Key(pk, "a"))
        assert stored is not None
        assert stored["data"] == largest
        for write in (
            table.put({"pk": pk, "sk": "a", "data": largest + b"x"}),
            table.batch_write([{"pk": pk, "sk": "a", "data": largest + b"x"}]),
            table.transact([Put({"pk": pk, "sk": "a", "data": largest + b"x"})]),
        ):
            with pytest.raises(Rejected) as refusal:
                await write
            assert (refusal.value.code, refusal.value.status) == ("item_too_large", 413)

    @pytest.mark.parametrize(
        "attributes",
        [
            {"sk": ""},
            {"owner": 7},
            {"owner": ""},
            {"expires_at": "tomorrow"},
            {"value": float("nan")},
            {"value": float("inf")},
            {"value": 1e300},
            {"value": 10**38},
            {"value": {"": 1}},
            {"value": {1: 1}},
            {"value": (1, 2)},
            {"value": {1, 2}},
        ],
        ids=str,
    )
    async def test_what_no_table_can_keep_is_refused(self, table: Table, pk: str, attributes: Item) -> None:
        with pytest.raises((ValueError, TypeError)):
            await table.put({"pk": pk, "sk": "a", **attributes})
        assert await table.get(Key(pk, "a")) is None


class TestExpiry:
    async def test_an_expired_item_is_gone_for_every_reader(self, table: Table, pk: str) -> None:
        now_s = int(time.time())
        dying: Item = {"pk": pk, "sk": "a", "owner": pk, "created": "1", "expires_at": now_s - 1}
        living: Item = {"pk": pk, "sk": "b", "owner": pk, "created": "2", "expires_at": now_s + 3600}
        eternal: Item = {"pk": pk, "sk": "c", "owner": pk, "created": "3"}
        await table.batch_write([dying, living, eternal])
        assert await table.get(Key(pk, "a")) is None
        assert set(await table.batch_get([Key(pk, sk) for sk in "abc"])) == {Key(pk, "b"), Key(pk, "c")}
        assert await sort_keys(table, pk) == ["b", "c"]
        assert await sort_keys(table, pk, limit=1) == ["b", "c"]
        assert await owned(table, pk, limit=1) == ["b", "c"]

    async def test_an_expired_item_does_not_count_in_conditions(self, table: Table, pk: str) -> None:
        gone: Item = {"pk": pk, "sk": "lease", "holder": "one", "revision": 9, "expires_at": int(time.time()) - 1}
        for condition in (Exists(), Equals("holder", "one")):
            await table.put(gone)
            with pytest.raises(ConditionFailed):
                await table.put({"pk": pk, "sk": "lease", "holder": "two"}, condition=condition)
        for held in (Absent(), Older("revision", 1)):
            await table.put(gone)
            await table.put({"pk": pk, "sk": "lease", "holder": "two"}, condition=held)
            assert await table.get(Key(pk, "lease")) == {"pk": pk, "sk": "lease", "holder": "two"}


class TestTransactions:
    async def test_all_writes_happen_together(self, table: Table, pk: str) -> None:
        await table.batch_write([{"pk": pk, "sk": "a"}, {"pk": pk, "sk": "b", "state": "ready"}])
        await table.transact(
            [
                Put({"pk": pk, "sk": "new"}, Absent()),
                Delete(Key(pk, "a"), Exists()),
                Check(Key(pk, "b"), Equals("state", "ready")),
            ]
        )
        assert await sort_keys(table, pk) == ["b", "new"]

    async def test_one_failed_condition_undoes_all_and_is_named(self, table: Table, pk: str) -> None:
        await table.batch_write([{"pk": pk, "sk": "a"}, {"pk": pk, "sk": "b", "state": "ready"}])
        with pytest.raises(ConditionFailed) as failure:
            await table.transact(
                [
                    Put({"pk": pk, "sk": "new"}),
                    Put({"pk": pk, "sk": "a", "changed": True}, Absent()),
                    Delete(Key(pk, "b")),
                    Check(Key(pk, "c"), Exists()),
                ]
            )
        assert failure.value.failed == (1, 3)
        assert await sort_keys(table, pk) == ["a", "b"]
        assert await table.get(Key(pk, "a")) == {"pk": pk, "sk": "a"}

    async def test_numbers_are_added_to_whatever_others_add_meanwhile(self, table: Table, pk: str) -> None:
        async def count(number: int) -> None:
            amounts = {"count": 1, "sum": (-1) ** number * (2**40 + number)}
            while True:
                try:
                    await table.transact([Put({"pk": pk, "sk": f"song#{number}"}), Add(Key(pk, "sum"), amounts)])
                except ConditionFailed:  # amid another transaction
                    continue
                return

        await table.transact([Add(Key(pk, "sum"), {"sum": 2**52})])
        await asyncio.gather(*map(count, range(9)))

        summed = {"pk": pk, "sk": "sum", "count": 9, "sum": 2**52 + 2**40 + 4}
        assert await table.get(Key(pk, "sum")) == summed

    async def test_nothing_is_added_where_a_condition_fails(self, table: Table, pk: str) -> None:
        await table.put({"pk": pk, "sk": "sum", "count": 1, "title": "one"})
        one_more = {"count": 1}
        refused = [Add(Key(pk, "sum"), one_more, Absent()), Add(Key(pk, "new"), one_more, Exists())]
        with pytest.raises(ConditionFailed) as failure:
            await table.transact([Put({"pk": pk, "sk": "also"}), *refused])
        assert failure.value.failed == (1, 2)
        await table.transact([Add(Key(pk, "sum"), one_more, Equals("title", "one"))])

        assert await table.get(Key(pk, "sum")) == {"pk": pk, "sk": "sum", "count": 2, "title": "one"}
        assert await sort_keys(table, pk) == ["sum"]

    async def test_of_racing_transactions_on_one_claim_one_wins_whole(self, table: Table, pk: str) -> None:
        async def claim(number: int) -> bool:
            try:
                await table.transact(
                    [Put({"pk": pk, "sk": "claim"}, Absent()), Put({"pk": pk, "sk": f"song#{number}"})]
                )
            except ConditionFailed:
                return False
            return True

        outcomes = await asyncio.gather(*map(claim, range(10)))
        assert outcomes.count(True) == 1
        assert await sort_keys(table, pk) == ["claim", f"song#{outcomes.index(True)}"]

    async def test_two_writes_on_one_key_or_over_a_hundred_are_refused(self, table: Table, pk: str) -> None:
        same: Item = {"pk": pk, "sk": "a"}
        with pytest.raises(ValueError, match="same key"):
            await table.transact([Put(same), Delete(Key(pk, "a"))])
        with pytest.raises(ValueError, match="same key"):
            await table.batch_write([same], [Key(pk, "a")])
        with pytest.raises(ValueError, match="at most 100"):
            await table.transact([Put({"pk": pk, "sk": f"{number}"}) for number in range(101)])
        await table.transact([Put({"pk": pk, "sk": f"{number:03}"}) for number in range(100)])
        assert len(await sort_keys(table, pk)) == 100


class TestBatches:
    async def test_a_batch_may_be_larger_than_what_the_database_takes_at_once(self, table: Table, pk: str) -> None:
        items: list[Item] = [{"pk": pk, "sk": f"{n:03}", "data": secrets.token_bytes(12_000)} for n in range(130)]
        await table.batch_write(items)
        keys = [Key(pk, f"{number:03}") for number in range(140)]
        assert await table.batch_get(keys + keys[:5]) == dict(zip(keys, items, strict=False))
        await table.batch_write([{"pk": pk, "sk": "new"}], keys[1:])
        assert await sort_keys(table, pk) == ["000", "new"]

    async def test_a_query_over_a_megabyte_is_whole(self, table: Table, pk: str) -> None:
        items: list[Item] = [{"pk": pk, "sk": f"{n}", "data": secrets.token_bytes(300_000)} for n in range(6)]
        await table.batch_write(items)
        page = await table.query(pk)
        assert (page.items, page.cursor) == (items, None)


class TestQueries:
    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    async def test_pages_of_a_prefix_follow_the_sort_key(
        self, table: Table, pk: str, descending: bool, limit: int
    ) -> None:
        keys = ["a#1", "a#10", "a#2", "a#\u00e9", "a#\U0001f3b5", "a\U0010ffff", "b", "A#1"]
        await table.batch_write([{"pk": pk, "sk": sk} for sk in keys] + [{"pk": f"{pk}x", "sk": "a#7"}])
        expected = sorted((sk for sk in keys if sk.startswith("a#")), reverse=descending)
        assert await sort_keys(table, pk, sk_prefix="a#", limit=limit, descending=descending) == expected
        assert await sort_keys(table, pk, sk_prefix="a\U0010ffff", limit=limit) == ["a\U0010ffff"]
        assert await sort_keys(table, pk, limit=limit, descending=descending) == sorted(keys, reverse=descending)

    async def test_the_last_page_has_no_cursor_and_others_hold_the_limit(self, table: Table, pk: str) -> None:
        await table.batch_write([{"pk": pk, "sk": f"{number}"} for number in range(4)])
        first = await table.query(pk, limit=2)
        second = await table.query(pk, limit=2, cursor=first.cursor)
        assert [len(first.items), len(second.items), second.cursor] == [2, 2, None]
        assert (await table.query(f"{pk}-nobody")).items == []

    async def test_a_cursor_outlives_the_item_it_stopped_at(self, table: Table, pk: str) -> None:
        await table.batch_write([{"pk": pk, "sk": f"{number}"} for number in range(4)])
        first = await table.query(pk, limit=2)
        await table.delete(Key(pk, "1"))
        assert [item["sk"] for item in (await table.query(pk, cursor=first.cursor)).items] == ["2", "3"]

    @pytest.mark.parametrize(
        "cursor", ["", "x", "bm9uc2Vuc2U", "WzFd", "\u00e9", "WyJ6Il0", cursor_behind("a" * (MAX_SK_BYTES + 1))]
    )
    async def test_a_foreign_cursor_is_refused(self, table: Table, pk: str, cursor: str) -> None:
        with pytest.raises(Rejected) as refusal:
            await table.query(pk, sk_prefix="a", cursor=cursor)
        assert (refusal.value.code, refusal.value.status) == ("cursor_invalid", 422)


class TestIndexes:
    async def test_only_items_with_both_attributes_are_in_the_index(self, table: Table, pk: str) -> None:
        await table.batch_write(
            [
                {"pk": pk, "sk": "a", "owner": pk, "created": "2026-01"},
                {"pk": pk, "sk": "b", "owner": pk},
                {"pk": pk, "sk": "c", "created": "2026-01"},
                {"pk": pk, "sk": "d", "owner": pk, "created": "2025-12", "data": b"whole"},
            ]
        )
        page = await table.query_index(BY_OWNER, pk)
        assert [item["sk"] for item in page.items] == ["d", "a"]
        assert page.items[0] == {"pk": pk, "sk": "d", "owner": pk, "created": "2025-12", "data": b"whole"}

    async def test_an_item_leaves_the_index_with_its_attribute(self, table: Table, pk: str) -> None:
        pending: Item = {"pk": pk, "sk": "a", "status": pk, "due": "1"}
        await table.put(pending)
        await table.put({"pk": pk, "sk": "a", "due": "1"})
        assert (await table.query_index(BY_STATUS, pk)).items == []

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("limit", [1, 2, 100])
    async def test_ranges_include_their_start_but_not_their_end(
        self, table: Table, pk: str, descending: bool, limit: int
    ) -> None:
        months = ["2025-11", "2025-12", "2026-01", "2026-02", "2026-02", "2026-03", "2026-03"]
        await table.batch_write(
            [{"pk": f"{pk}{n}", "sk": f"{month}/{n}", "owner": pk, "created": month} for n, month in enumerate(months)]
        )

        async def months_of(**bounds: str) -> list[str]:
            found = await owned(table, pk, limit=limit, descending=descending, **bounds)
            assert len(set(found)) == len(found)
            ordered = [sk[:7] for sk in found]
            assert ordered == sorted(ordered, reverse=descending)
            return sorted(ordered)

        assert await months_of() == months
        assert await months_of(sk_from="2025-12", sk_below="2026-03") == months[1:5]
        assert await months_of(sk_from="2026-02") == months[3:]
        assert await months_of(sk_below="2026-02") == months[:3]
        assert await months_of(sk_prefix="2026-0") == months[2:]
        assert await months_of(sk_from="2026-02", sk_below="2026-02") == []
        assert await months_of(sk_from="2026-03", sk_below="2025-01") == []

    async def test_a_prefix_and_a_range_together_are_refused(self, table: Table, pk: str) -> None:
        with pytest.raises(ValueError, match="sk_prefix"):
            await table.query_index(BY_OWNER, pk, sk_prefix="a", sk_from="b")

    async def test_an_index_that_is_added_later_holds_what_was_stored_before(
        self, request: pytest.FixtureRequest, table: Table, tmp_path: Path, pk: str
    ) -> None:
        prefix = f"t{secrets.token_hex(4)}-"

        def make(spec: TableSpec) -> Table:
            if isinstance(table, SqliteTable):
                return SqliteTable(tmp_path / "tables.sqlite", spec)
            endpoint_url = request.getfixturevalue("dynamodb_endpoint")
            return DynamoTable(TableSettings(prefix=prefix, endpoint_url=endpoint_url), spec)

        before, after = make(TableSpec("songs")), make(SPEC)
        await before.create()
        await before.put({"pk": pk, "sk": "a", "owner": pk, "created": "1", "status": pk, "due": "2"})
        await asyncio.gather(after.create(), after.create())
        assert await owned(after, pk) == ["a"]
        assert len((await after.query_index(BY_STATUS, pk)).items) == 1
        await before.close()
        await after.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from shared.storage.sqlite import SqliteTable
from shared.storage.tables import Absent, ConditionFailed, TableSpec

async def main() -> None:
    table = SqliteTable(Path(sys.argv[1]), TableSpec(sys.argv[3]))
    won = 0
    for number in range(50):
        try:
            await table.put({"pk": "p", "sk": f"{number:03}", "writer": sys.argv[2]}, condition=Absent())
            won += 1
        except ConditionFailed:
            pass
    print(won, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


class TestSqlite:
    async def test_processes_that_share_a_file_lose_nothing_when_killed(self, tmp_path: Path) -> None:
        path = tmp_path / "tables.sqlite"
        writers = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", WRITER, path, name, table, stdout=subprocess.PIPE
            )
            for name, table in (("one", "songs"), ("two", "songs"), ("three", "users"))
        ]
        try:
            won = [int(await writer.stdout.readline()) for writer in writers if writer.stdout is not None]
        finally:
            for writer in writers:
                writer.kill()
                await writer.communicate()
        assert (won[0] + won[1], won[2]) == (50, 50)
        for name in ("songs", "users"):
            table = SqliteTable(path, TableSpec(name))
            assert len((await table.query("p")).items) == 50
            await table.close()

    async def test_no_query_reads_or_sorts_the_whole_table(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        statements: list[str] = []
        connect = sqlite3.connect

        def connect_traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*args, **kwargs)
            connection.set_trace_callback(statements.append)
            return connection

        path = tmp_path / "tables.sqlite"
        table = SqliteTable(path, SPEC)
        monkeypatch.setattr(sqlite3, "connect", connect_traced)
        await table.put({"pk": "p", "sk": "a", "owner": "o", "created": "1"}, condition=Absent())
        await table.put({"pk": "p", "sk": "b", "owner": "o", "created": "2"})
        assert len(await sort_keys(table, "p", limit=1, sk_prefix="")) == 2
        assert len(await sort_keys(table, "p", limit=1, sk_prefix="a")) == 1
        assert len(await owned(table, "o", limit=1, descending=True)) == 2
        assert len(await owned(table, "o", limit=1, sk_from="1", sk_below="3")) == 2
        await table.close()
        reading = {one for one in statements if one.startswith(("SELECT", "DELETE"))}
        assert len(reading) >= 7
        with contextlib.closing(connect(path)) as connection:
            plans = {one: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {one}")] for one in reading}
        assert {
            one: plan for one, plan in plans.items() if any("SCAN" in step or "B-TREE" in step for step in plan)
        } == {}

    async def test_a_file_that_cannot_be_opened_is_unavailable(self, tmp_path: Path) -> None:
        table = SqliteTable(tmp_path, SPEC)
        with pytest.raises(Unavailable):
            await table.get(Key("p", "a"))
        await table.close()


class TestDynamo:
    async def test_a_server_that_is_away_is_unavailable(self, aws_credentials: tuple[str, str]) -> None:
        table = DynamoTable(TableSettings(endpoint_url="http://127.0.0.1:9"), SPEC)
        for call in (table.get(Key("p", "a")), table.batch_get([Key("p", "a")]), table.put({"pk": "p", "sk": "a"})):
            with pytest.raises(Unavailable):
                await call
        await table.close()
