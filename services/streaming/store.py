"""What does streaming keep of packages, and what of them is to be removed, and when?

A song has at most one package; its blobs are listed as leftovers before the first of them is written, and until the
package is kept in the same transaction that takes it off the list. So nothing that a crash leaves behind is unknown.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.streaming.package import Package
from shared.errors import Unavailable
from shared.events import SongPackaged
from shared.messaging.outbox import Outbox, with_pending
from shared.storage.tables import (
    Absent,
    ConditionFailed,
    Delete,
    Equals,
    Index,
    Item,
    Key,
    Put,
    Table,
    TableSpec,
    Value,
    Write,
)

LISTENING = TableSpec(
    "listening",
    indexes=(Index("pending", pk="pending", sk="pending_at"), Index("due", pk="due", sk="due_at")),
    expiry="expires_at",
)
"""Everything that listening needs besides the audio. All about one song is in the partition ``song#<id>``, all of one
user in ``user#<id>``. `pending` lists items with events to publish, `due` work that is to be done at a time."""

_DUE = LISTENING.indexes[1]
LEFTOVER = "leftover"
KEY_BYTES = 32
RETAKEN_AFTER_S = 600.0
_IN_USE = Equals("is_removed", False)


@dataclass(frozen=True, slots=True)
class RenditionSummary:
    """One quality of a package."""

    name: str
    bit_rate_bps: int


@dataclass(frozen=True, slots=True)
class KeptPackage:
    """The package of a song, without the list of its files. `revision` counts the packages that the song has had."""

    song_id: str
    package_id: str
    duration_s: float
    renditions: tuple[RenditionSummary, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a song has no package."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """A package whose blobs are to be removed, unless it is the one that its song has."""

    song_id: str
    package_id: str
    due_at: str


class PackageStore:
    """Packages by song, failures by song, and leftovers by the time at which they are due."""

    def __init__(self, table: Table, outbox: Outbox) -> None:
        self._table = table
        self._outbox = outbox

    async def find(self, song_id: str) -> KeptPackage | None:
        """Return the package of a song."""
        item = await self._table.get(_package_key(song_id))
        return None if item is None else _package(item)

    async def failure(self, song_id: str) -> Failure | None:
        """Return why a song could not be packaged, where it could not."""
        item = await self._table.get(_failure_key(song_id))
        return None if item is None else Failure(str(item["code"]), str(item["reason"]))

    async def note_failure(self, song_id: str, failure: Failure) -> None:
        """Remember why a song could not be packaged."""
        key = _failure_key(song_id)
        await self._table.put({"pk": key.pk, "sk": key.sk, "code": failure.code, "reason": failure.reason})

    async def list_leftover(self, song_id: str, package_id: str, *, in_s: float) -> None:
        """List blobs that are about to be written; they are removed after that time unless the package is kept.

        Raises
        ------
        Unavailable
            They are just being removed, because an earlier attempt never ended.
        """
        item = _leftover(song_id, package_id, in_s)
        try:
            await self._table.put(item, condition=Absent())
        except ConditionFailed:
            try:
                await self._table.put(item, condition=_IN_USE)
            except ConditionFailed as error:
                raise Unavailable("what an earlier attempt left behind is being removed") from error

    async def keep(
        self, package: Package, before: KeptPackage | None, event: SongPackaged, *, replaced_stays_s: float
    ) -> None:
        """Make a package the one that its song has, in place of another one, and publish the event.

        Raises
        ------
        ConditionFailed
            Meanwhile the song has got another package, or lost the one it had; or the blobs count as left behind.
        """
        item = with_pending(_item(package, 1 if before is None else before.revision + 1), [event])
        writes: list[Write] = [
            Put(item, Absent() if before is None else Equals("revision", before.revision)),
            Delete(_leftover_key(package.song_id, package.package_id), _IN_USE),
            Delete(_failure_key(package.song_id)),
        ]
        if before is not None and before.package_id != package.package_id:
            writes.append(Put(_leftover(package.song_id, before.package_id, replaced_stays_s)))
        await self._table.transact(writes)
        await self._outbox.publish(item)

    async def give_up(self, package: KeptPackage) -> None:
        """Take a song's package from it; what remains to be done is listed as due now."""
        await self._table.transact(
            [
                Delete(_package_key(package.song_id), Equals("revision", package.revision)),
                Put(_leftover(package.song_id, package.package_id, 0.0)),
            ]
        )

    async def forget_failure(self, song_id: str) -> None:
        """Forget why a song could not be packaged."""
        await self._table.delete(_failure_key(song_id))

    async def leftovers(self, *, now: datetime, limit: int = 100) -> Sequence[Leftover]:
        """Return what is due by now, oldest first."""
        page = await self._table.query_index(_DUE, LEFTOVER, sk_below=now.isoformat(), limit=limit)
        return [Leftover(_song_id(item), str(item["sk"]).partition("#")[2], str(item["due_at"])) for item in page.items]

    async def take(self, leftover: Leftover) -> bool:
        """Take a leftover to remove it, due again after a crash; False where somebody else did, or uses it again."""
        item = _leftover(leftover.song_id, leftover.package_id, RETAKEN_AFTER_S, is_removed=True)
        try:
            await self._table.put(item, condition=Equals("due_at", leftover.due_at))
        except ConditionFailed:
            return False
        return True

    async def strike(self, song_id: str, package_id: str) -> None:
        """Take off the list what is removed, or turned out to be in use."""
        await self._table.delete(_leftover_key(song_id, package_id))

    async def grant_key(self) -> bytes:
        """Return the key that signs grants: made at random once, the same for every replica."""
        key = Key("grant-key", "grant-key")
        try:
            fresh = secrets.token_bytes(KEY_BYTES)
            await self._table.put({"pk": key.pk, "sk": key.sk, "key": fresh}, condition=Absent())
        except ConditionFailed:
            item = await self._table.get(key)
            assert item is not None
            kept = item["key"]
            assert isinstance(kept, bytes)
            return kept
        return fresh


def _package_key(song_id: str) -> Key:
    return Key(f"song#{song_id}", "package")


def _failure_key(song_id: str) -> Key:
    return Key(f"song#{song_id}", "package-failure")


def _leftover_key(song_id: str, package_id: str) -> Key:
    return Key(f"song#{song_id}", f"{LEFTOVER}#{package_id}")


def _leftover(song_id: str, package_id: str, in_s: float, *, is_removed: bool = False) -> Item:
    key = _leftover_key(song_id, package_id)
    due_at = (datetime.now(UTC) + timedelta(seconds=in_s)).isoformat()
    return {"pk": key.pk, "sk": key.sk, "due": LEFTOVER, "due_at": due_at, "is_removed": is_removed}


def _song_id(item: Item) -> str:
    return str(item["pk"]).removeprefix("song#")


def _item(package: Package, revision: int) -> Item:
    key = _package_key(package.song_id)
    renditions: list[Value] = [{"name": one.name, "bit_rate_bps": one.bit_rate_bps} for one in package.renditions]
    return {
        "pk": key.pk,
        "sk": key.sk,
        "revision": revision,
        "package_id": package.package_id,
        "duration_s": package.duration_s,
        "renditions": renditions,
    }


def _package(item: Item) -> KeptPackage:
    revision, duration_s, renditions = item["revision"], item["duration_s"], item["renditions"]
    assert isinstance(revision, int)
    assert isinstance(duration_s, int | float)
    assert isinstance(renditions, list)
    return KeptPackage(
        song_id=_song_id(item),
        package_id=str(item["package_id"]),
        duration_s=float(duration_s),
        renditions=tuple(_summary(one) for one in renditions),
        revision=revision,
    )


def _summary(value: Value) -> RenditionSummary:
    assert isinstance(value, Mapping)
    bit_rate_bps = value["bit_rate_bps"]
    assert isinstance(bit_rate_bps, int)
    return RenditionSummary(str(value["name"]), bit_rate_bps)
