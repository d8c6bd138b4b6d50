"""How are items kept by many machines? In DynamoDB."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ParamSpec, TypeVar

from botocore.exceptions import ClientError

from shared.errors import Rejected, Unavailable
from shared.runtime.settings import TableSettings
from shared.storage.aws import answering, aws_client, error_code
from shared.storage.items import MAX_DIGITS, check_distinct, check_item, check_key, check_transaction
from shared.storage.paging import check_range, order_of, page_of, read_cursor
from shared.storage.tables import (
    Absent,
    Add,
    Check,
    Condition,
    ConditionFailed,
    Equals,
    Exists,
    Index,
    Item,
    Key,
    Page,
    Put,
    TableSpec,
    Value,
    Write,
)
from shared.storage.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

CONNECTIONS = 16
READ_TIMEOUT_S = 10.0
CREATE_DEADLINE_S = 300.0
BATCH_DEADLINE_S = 20.0
KEYS_PER_READ = 100
ITEMS_PER_WRITE = 25


class DynamoTable:
    """A `Table` in DynamoDB, named by the settings' prefix and the spec's name.

    A conditional write whose answer is lost on the way is repeated, and its repetition may then meet what it wrote
    itself: after `ConditionFailed`, look at the stored item before you believe that another writer was there.

    Parameters
    ----------
    settings : TableSettings
        Endpoint, region and prefix; credentials come from the usual AWS chain.
    spec : TableSpec
        The table and its indexes.
    """

    def __init__(self, settings: TableSettings, spec: TableSpec) -> None:
        self._name = settings.prefix + spec.name
        self._spec = spec
        self._threads = Threads(f"dynamodb-{spec.name}", size=CONNECTIONS, deadline_s=60.0)
        self._dynamodb = aws_client(
            "dynamodb",
            endpoint_url=settings.endpoint_url,
            region=settings.region,
            connections=CONNECTIONS,
            read_timeout_s=READ_TIMEOUT_S,
        )

    async def create(self) -> None:
        """Make the table, its indexes and its expiry where they are missing, and wait until they can be used."""
        if await self._describe() is None:
            await self._create_table()
        while missing := await self._missing_indexes():
            await self._create_index(missing[0])  # DynamoDB makes one at a time
        await self._create_expiry()

    async def close(self) -> None:
        """Finish running calls and release the connections."""
        await self._threads.close()
        self._dynamodb.close()

    async def get(self, key: Key) -> Item | None:  # noqa: D102 - described by the port, like all below
        answer = await self._call(
            self._dynamodb.get_item, TableName=self._name, Key=_key(check_key(key)), ConsistentRead=True
        )
        item = _decode_item(answer["Item"]) if "Item" in answer else None
        return item if item is not None and self._is_alive(item) else None

    async def batch_get(self, keys: Sequence[Key]) -> dict[Key, Item]:  # noqa: D102
        distinct = list(dict.fromkeys(check_key(key) for key in keys))
        chunks = [distinct[start : start + KEYS_PER_READ] for start in range(0, len(distinct), KEYS_PER_READ)]
        parts = await asyncio.gather(*(self._read_batch(chunk) for chunk in chunks))
        return {key: item for part in parts for key, item in part.items()}

    async def put(self, item: Item, *, condition: Condition | None = None) -> None:  # noqa: D102
        check_item(self._spec, item)
        request = {"TableName": self._name, "Item": _encode_item(item), **self._condition(condition)}
        await self._write(self._dynamodb.put_item, conditional=condition is not None, **request)

    async def delete(self, key: Key, *, condition: Condition | None = None) -> None:  # noqa: D102
        request = {"TableName": self._name, "Key": _key(check_key(key)), **self._condition(condition)}
        await self._write(self._dynamodb.delete_item, conditional=condition is not None, **request)

    async def transact(self, writes: Sequence[Write]) -> None:  # noqa: D102
        check_transaction(self._spec, writes)
        if writes:
            items = [self._transact_item(write) for write in writes]
            await self._write(self._dynamodb.transact_write_items, conditional=True, TransactItems=items)

    async def batch_write(self, puts: Sequence[Item], deletes: Sequence[Key] = ()) -> None:  # noqa: D102
        check_distinct([*(check_item(self._spec, item) for item in puts), *(check_key(key) for key in deletes)])
        requests: list[dict[str, Any]] = [{"PutRequest": {"Item": _encode_item(item)}} for item in puts]
        requests += [{"DeleteRequest": {"Key": _key(key)}} for key in deletes]
        chunks = [requests[start : start + ITEMS_PER_WRITE] for start in range(0, len(requests), ITEMS_PER_WRITE)]
        await asyncio.gather(*(self._write_batch(chunk) for chunk in chunks))

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
        return await self._query(None, pk, _sort_term(None, None, sk_prefix), limit, after, descending)

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
        if sk_from is not None and sk_below is not None and sk_from >= sk_below:
            return Page()
        after = (
            None if cursor is None else read_cursor(cursor, 3, sk_prefix=sk_prefix, sk_from=sk_from, sk_below=sk_below)
        )
        term = _sort_term(sk_from, sk_below, sk_prefix)
        return await self._query(index, pk, term, limit, after, descending, sk_below=sk_below)

    async def _query(
        self,
        index: Index | None,
        pk: str,
        sort_term: tuple[str, dict[str, Any]],
        limit: int,
        after: list[str] | None,
        descending: bool,
        sk_below: str | None = None,
    ) -> Page:
        order = order_of(index)
        pk_name = "pk" if index is None else index.pk
        request: dict[str, Any] = {
            "TableName": self._name,
            "KeyConditionExpression": f"#pk = :pk{sort_term[0]}",
            "ExpressionAttributeNames": {"#pk": pk_name, **({"#sk": order[0]} if sort_term[0] else {})},
            "ExpressionAttributeValues": {":pk": {"S": pk}, **sort_term[1]},
            "ScanIndexForward": not descending,
            **({"ConsistentRead": True} if index is None else {"IndexName": index.name}),
        }
        if self._spec.expiry is not None:
            request["FilterExpression"] = "attribute_not_exists(#expiry) OR #expiry >= :now"
            request["ExpressionAttributeNames"]["#expiry"] = self._spec.expiry
            request["ExpressionAttributeValues"][":now"] = _encode(time.time())
        if after is not None:
            start = {pk_name: pk, **dict(zip(order, after, strict=True))}
            request["ExclusiveStartKey"] = _encode_item(start)
        found: list[Item] = []
        while len(found) <= limit:
            answer = await self._call(self._dynamodb.query, **request, Limit=limit + 1 - len(found))
            items = [_decode_item(item) for item in answer["Items"]]
            # BETWEEN includes its upper end, and a key attribute cannot be filtered by the database.
            found += [item for item in items if sk_below is None or item[order[0]] != sk_below]
            if "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return page_of(found, limit, order)

    async def _read_batch(self, keys: list[Key]) -> dict[Key, Item]:
        found: dict[Key, Item] = {}
        waiting = {"Keys": [_key(key) for key in keys], "ConsistentRead": True}

        async def read() -> bool:
            nonlocal waiting
            answer = await self._call(self._dynamodb.batch_get_item, RequestItems={self._name: waiting})
            for item in map(_decode_item, answer["Responses"].get(self._name, ())):
                if self._is_alive(item):
                    found[Key(str(item["pk"]), str(item["sk"]))] = item
            waiting = answer.get("UnprocessedKeys", {}).get(self._name, {})
            return not waiting

        await self._until_done(read)
        return found

    async def _write_batch(self, requests: list[dict[str, Any]]) -> None:
        waiting = requests

        async def write() -> bool:
            nonlocal waiting
            answer = await self._call(self._dynamodb.batch_write_item, RequestItems={self._name: waiting})
            waiting = answer.get("UnprocessedItems", {}).get(self._name, [])
            return not waiting

        await self._until_done(write)

    async def _until_done(self, step: Callable[[], Any]) -> None:
        """Repeat what DynamoDB left undone, with random pauses that double."""
        deadline_s = time.monotonic() + BATCH_DEADLINE_S
        pause_s = 0.05
        while not await step():
            if time.monotonic() + pause_s > deadline_s:
                raise Unavailable(f"dynamodb left a batch undone for {BATCH_DEADLINE_S:g} s")
            await asyncio.sleep(random.uniform(pause_s / 2, pause_s))
            pause_s = min(2 * pause_s, 2.0)

    async def _write(self, call: Callable[..., Any], *, conditional: bool, **request: Any) -> None:
        try:
            await self._call(call, **request)
        except ClientError as error:
            meaning = _meaning(error, conditional=conditional)
            if meaning is None:
                raise
            raise meaning from error

    def _transact_item(self, write: Write) -> dict[str, Any]:
        if isinstance(write, Add):
            return {"Update": {"TableName": self._name, "Key": _key(write.key), **self._addition(write)}}
        if isinstance(write, Put):
            kind, what = "Put", {"Item": _encode_item(write.item)}
        else:
            kind, what = ("ConditionCheck" if isinstance(write, Check) else "Delete"), {"Key": _key(write.key)}
        return {kind: {"TableName": self._name, **what, **self._condition(write.condition)}}

    def _addition(self, write: Add) -> dict[str, Any]:
        expressions = self._condition(write.condition)
        names, values = (expressions.pop(f"ExpressionAttribute{kind}", {}) for kind in ("Names", "Values"))
        for number, (name, amount) in enumerate(write.amounts.items()):
            names[f"#n{number}"], values[f":n{number}"] = name, _encode(amount)
        terms = ", ".join(f"#n{number} :n{number}" for number in range(len(write.amounts)))
        return {
            **expressions,
            "UpdateExpression": f"ADD {terms}",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }

    def _condition(self, condition: Condition | None) -> dict[str, Any]:
        """Return the condition as DynamoDB wants it; an expired item counts as none, though it may still be there."""
        if condition is None:
            return {}
        names, values = {"#pk": "pk"}, {}
        absent, present = "attribute_not_exists(#pk)", "attribute_exists(#pk)"
        if self._spec.expiry is not None:
            names["#expiry"], values[":now"] = self._spec.expiry, _encode(time.time())
            absent = f"({absent} OR #expiry < :now)"
            present = f"({present} AND (attribute_not_exists(#expiry) OR #expiry >= :now))"
        if isinstance(condition, Absent):
            expression = absent
        elif isinstance(condition, Exists):
            expression = present
        else:
            names["#attribute"] = condition.attribute
            if isinstance(condition, Equals):
                values[":value"] = _encode(condition.value)
                expression = f"{present} AND #attribute = :value"
            else:
                values[":than"] = _encode(condition.than)
                expression = f"{absent} OR #attribute < :than"
        return {
            "ConditionExpression": expression,
            "ExpressionAttributeNames": names,
            **({"ExpressionAttributeValues": values} if values else {}),
        }

    def _is_alive(self, item: Item) -> bool:
        expires_at = item.get(self._spec.expiry) if self._spec.expiry is not None else None
        return not isinstance(expires_at, int | float) or expires_at >= time.time()

    async def _describe(self) -> dict[str, Any] | None:
        try:
            answer = await self._call(self._dynamodb.describe_table, TableName=self._name)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        table: dict[str, Any] = answer["Table"]
        return table

    async def _create_table(self) -> None:
        indexes = [_index(index) for index in self._spec.indexes]
        attributes = [name for index in self._spec.indexes for name in (index.pk, index.sk)]
        try:
            await self._call(
                self._dynamodb.create_table,
                TableName=self._name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=_definitions("pk", "sk", *attributes),
                KeySchema=_key_schema("pk", "sk"),
                **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
            )
        except ClientError as error:
            if error_code(error) != "ResourceInUseException":  # another process was faster
                raise

    async def _create_index(self, index: Index) -> None:
        try:
            await self._call(
                self._dynamodb.update_table,
                TableName=self._name,
                AttributeDefinitions=_definitions("pk", "sk", index.pk, index.sk),
                GlobalSecondaryIndexUpdates=[{"Create": _index(index)}],
            )
        except ClientError as error:
            # Otherwise another process was faster, or the table is amid its work.
            if error_code(error) != "ResourceInUseException" and index in await self._missing_indexes():
                raise

    async def _missing_indexes(self) -> list[Index]:
        table = await self._active()
        there = {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", ())}
        return [index for index in self._spec.indexes if index.name not in there]

    async def _active(self) -> dict[str, Any]:
        """Wait until the table and all its indexes can be used, and return its description."""
        deadline_s = time.monotonic() + CREATE_DEADLINE_S
        while time.monotonic() < deadline_s:
            table = await self._describe()
            if table is not None:
                statuses = [table["TableStatus"]]
                statuses += [index["IndexStatus"] for index in table.get("GlobalSecondaryIndexes", ())]
                if all(status == "ACTIVE" for status in statuses):
                    return table
            await asyncio.sleep(0.2)
        raise Unavailable(f"table {self._name} did not become active within {CREATE_DEADLINE_S:g} s")

    async def _create_expiry(self) -> None:
        if self._spec.expiry is None:
            return
        answer = await self._call(self._dynamodb.describe_time_to_live, TableName=self._name)
        if answer["TimeToLiveDescription"]["TimeToLiveStatus"] in ("ENABLED", "ENABLING"):
            return
        try:
            await self._call(
                self._dynamodb.update_time_to_live,
                TableName=self._name,
                TimeToLiveSpecification={"Enabled": True, "AttributeName": self._spec.expiry},
            )
        except ClientError as error:
            # Another process was faster; if the attribute is truly wrong, readers still filter on it.
            if error_code(error) != "ValidationException":
                raise

    async def _call(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with answering("dynamodb"):
            return await self._threads.run(call, *args, **kwargs)


def _meaning(error: ClientError, *, conditional: bool) -> Exception | None:
    """Return what the refusal of a write means for its caller, or None where it is a bug."""
    code = error_code(error)
    if code == "ConditionalCheckFailedException":
        return ConditionFailed([0])
    if code == "TransactionConflictException":
        # Without a condition there is nothing to reconsider, so that the same call is right again.
        return ConditionFailed() if conditional else Unavailable("dynamodb is amid a transaction on the item")
    if code == "ValidationException" and "Item size" in str(error):
        return Rejected("item_too_large", "the item is larger than DynamoDB allows", status=413)
    reasons = [str(reason.get("Code")) for reason in error.response.get("CancellationReasons", ())]
    failed = [position for position, reason in enumerate(reasons) if reason == "ConditionalCheckFailed"]
    if failed or "TransactionConflict" in reasons:
        return ConditionFailed(failed)
    if "ThrottlingError" in reasons or "ProvisionedThroughputExceeded" in reasons:
        return Unavailable("dynamodb is throttling")
    return None


def _sort_term(sk_from: str | None, sk_below: str | None, sk_prefix: str) -> tuple[str, dict[str, Any]]:
    if sk_prefix:
        return " AND begins_with(#sk, :prefix)", {":prefix": {"S": sk_prefix}}
    if sk_from is not None and sk_below is not None:
        return " AND #sk BETWEEN :from AND :below", {":from": {"S": sk_from}, ":below": {"S": sk_below}}
    if sk_from is not None:
        return " AND #sk >= :from", {":from": {"S": sk_from}}
    if sk_below is not None:
        return " AND #sk < :below", {":below": {"S": sk_below}}
    return "", {}


def _definitions(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in dict.fromkeys(names)]


def _key_schema(pk: str, sk: str) -> list[dict[str, str]]:
    return [{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]


def _index(index: Index) -> dict[str, Any]:
    return {
        "IndexName": index.name,
        "KeySchema": _key_schema(index.pk, index.sk),
        "Projection": {"ProjectionType": "ALL"},
    }


def _key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _encode_item(item: Item) -> dict[str, Any]:
    return {name: _encode(value) for name, value in item.items()}


def _decode_item(item: Mapping[str, Any]) -> Item:
    return {name: _decode(value) for name, value in item.items()}


def _encode(value: Value) -> dict[str, Any]:
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": _encode_number(value)}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, list):
        return {"L": [_encode(element) for element in value]}
    return {"M": _encode_item(value)}


def _encode_number(number: float) -> str:
    # The shortest decimal of a large whole float is another integer than the float, which has at most 38 digits here.
    if isinstance(number, int) or (number.is_integer() and abs(number) < 10**MAX_DIGITS):
        return str(int(number))
    return str(Decimal(float.__repr__(number)))


def _decode(value: Mapping[str, Any]) -> Value:
    ((kind, content),) = value.items()
    if kind == "N":
        return _decode_number(content)
    if kind == "L":
        return [_decode(element) for element in content]
    if kind == "M":
        return _decode_item(content)
    if kind == "B":
        return bytes(content)
    if kind in ("S", "BOOL"):
        decoded: Value = content
        return decoded
    if kind == "NULL":
        return None
    raise ValueError(f"items of this system hold no values of kind {kind}")


def _decode_number(text: str) -> int | float:
    if re.fullmatch(r"-?\d{1,38}", text):
        return int(text)
    number = Decimal(text)
    is_whole = abs(number) < 10**MAX_DIGITS and number == number.to_integral_value()
    return int(number) if is_whole else float(text)
