"""How much does somebody keep here, and how much may they?

What is used is counted in the very transactions that change songs, so that it is always the sum over them. There is one
count for each quota, because a write can be held to one condition.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

from services.ingest.songs import Song, Status
from shared.errors import Rejected, TooMany, Unavailable
from shared.storage.tables import Absent, Add, Check, Item, Key, Older, Put, Write

JOB_RETRY_S = 30.0
"""When to ask again for an upload more: most songs find their fate sooner."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What somebody keeps.

    Attributes
    ----------
    songs : int
        Songs of the library, and those that may become some.
    size_bytes : int
        Size of their files, as it was registered.
    jobs : int
        Uploads whose fate is not known yet.
    """

    songs: int = 0
    size_bytes: int = 0
    jobs: int = 0


@dataclass(frozen=True, slots=True)
class Quotas:
    """The most of each that one user may have; None where there is no limit."""

    songs: int | None = None
    size_bytes: int | None = None
    jobs: int | None = None


UNLIMITED = Quotas()
_NAMES = tuple(field.name for field in fields(Usage))


def usage_of(song: Song) -> Usage:
    """Return what a song uses in the state that it is in."""
    if song.status is Status.READY:
        return Usage(1, song.size_bytes, 0)
    return Usage() if song.status.is_final else Usage(1, song.size_bytes, 1)


def count(owner: str, before: Usage, after: Usage, quotas: Quotas = UNLIMITED) -> list[Write]:
    """Return what counts a change, and fails where it would bring the owner above a quota."""
    writes: list[Write] = []
    for name, less, more, allowed in zip(_NAMES, astuple(before), astuple(after), astuple(quotas), strict=True):
        if less == more:
            continue
        within = Older("count", allowed - (more - less) + 1) if allowed is not None and more > less else None
        writes.append(Add(_key(owner, name), {"count": more - less}, within))
    return writes


def read_usage(items: Iterable[Item]) -> Usage:
    """Return the usage that the items of an owner's partition say."""
    counts = {str(item["sk"]): int(str(item["count"])) for item in items if item["sk"] in _NAMES}
    return Usage(**counts)


def is_too_much(more: Usage, quotas: Quotas) -> bool:
    """Tell whether something is above a quota even for somebody who has nothing yet."""
    return any(
        allowed is not None and wanted > allowed for wanted, allowed in zip(astuple(more), astuple(quotas), strict=True)
    )


def refusal(used: Usage, more: Usage, quotas: Quotas) -> Exception:
    """Return what tells an owner which quota something more would exceed."""
    if quotas.jobs is not None and used.jobs + more.jobs > quotas.jobs:
        reason = f"{used.jobs} of {quotas.jobs} uploads are in progress; finish some of them first"
        return TooMany(reason, retry_after_s=JOB_RETRY_S)
    if quotas.songs is not None and used.songs + more.songs > quotas.songs:
        return Rejected("quota_songs", f"{used.songs} of {quotas.songs} songs are used", status=403)
    if quotas.size_bytes is not None and used.size_bytes + more.size_bytes > quotas.size_bytes:
        reason = f"{used.size_bytes} of {quotas.size_bytes} bytes are used, and this file has {more.size_bytes}"
        return Rejected("quota_bytes", reason, status=403)
    return Unavailable("your songs are changing at this moment")  # and there is room again


def partition(owner: str) -> str:
    """Return the partition with all that is counted of an owner."""
    return f"usage#{owner}"


def close(owner: str, expires_at: int) -> Write:
    """Mark an account as closed until a time in epoch seconds."""
    key = closed_key(owner)
    return Put({"pk": key.pk, "sk": key.sk, "expires_at": expires_at})


def still_open(owner: str) -> Write:
    """Fail where the account is closed."""
    return Check(closed_key(owner), Absent())


def closed_key(owner: str) -> Key:
    """Return where a closed account is marked."""
    return _key(owner, "closed")


def account_closed() -> Rejected:
    """Return what tells somebody that their account is no more, though their token is still good."""
    return Rejected("account_closed", "this account was deleted", status=401)


def _key(owner: str, name: str) -> Key:
    return Key(partition(owner), name)
