"""Where does a replica get an index from that is not on its disk? From the bucket, where a sibling has left one.

A snapshot is a description that names segments; both are blobs. Segments never change, so that the next snapshot brings
only those that are new. The description comes last, and with it the snapshot is there.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from pydantic import Base64Bytes, BaseModel
from ulid import ULID

from services.matcher.manifest import MANIFEST
from services.matcher.segment import CONTENT
from services.matcher.snapshots import Snapshot
from shared.errors import Rejected
from shared.fingerprint import ALGORITHM
from shared.sharding import Shard
from shared.storage.blobs import BlobStore

log = structlog.get_logger()

KEPT = 2
"""Snapshots that stay: who has begun to fetch one may finish."""
ABANDONED = timedelta(hours=1)
"""Age from which on a segment that no snapshot names is not on its way into one either."""
TAKEN_OVER = 3
"""Intervals without a snapshot after which another replica takes its turn."""
OCTETS = "application/octet-stream"


class Description(BaseModel):
    """What makes segments a snapshot; `contents` is another whenever the songs are others."""

    replica: str
    contents: str
    segments: tuple[str, ...]
    manifest: Base64Bytes

    @classmethod
    def of(cls, replica: str, contents: str, held: Snapshot) -> Description:
        """Describe a saved state of an index."""
        return cls.model_construct(replica=replica, contents=contents, segments=held.segments, manifest=held.manifest)


class Snapshots:
    """The snapshots of one shard.

    Parameters
    ----------
    replica : str
        Who asks. The replica that has left the last snapshot leaves the next one, which shares segments with it.
    every : timedelta
        How often one is left.
    """

    def __init__(self, blobs: BlobStore, shard: Shard, replica: str, *, every: timedelta) -> None:
        content = blake2b(CONTENT.encode(), digest_size=4).hexdigest()
        base = f"snapshots/{ALGORITHM}-{content}/shard-{shard.index}-of-{shard.count}"
        self._blobs = blobs
        self._descriptions, self._segments = f"{base}/descriptions/", f"{base}/segments/"
        self._replica = replica
        self._every = every

    async def fetch(self, folder: Path) -> None:
        """Put the newest snapshot into a folder that has no manifest yet, if there is one.

        Raises
        ------
        Unavailable
            The bucket is away.
        """
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix="fetched-") as name:
            fetched = Path(name)
            try:
                description = await self._download(fetched)
            except Rejected as error:  # newer ones have taken its place meanwhile; the catalogue has everything too
                log.warning("snapshot.vanished", reason=error.reason)
                return
            if description is not None:
                for segment in description.segments:
                    (fetched / segment).replace(folder / segment)
                (fetched / MANIFEST).replace(folder / MANIFEST)  # with it the segments become an index
                log.info("snapshot.fetched", segments=len(description.segments))

    async def _download(self, folder: Path) -> Description | None:
        keys = await self._keys()
        if not keys:
            return None
        description = await self._read(keys[-1])
        for name in description.segments:
            await self._blobs.download(self._segments + name, folder / name)
        await asyncio.to_thread((folder / MANIFEST).write_bytes, description.manifest)
        return description

    async def is_due(self, contents: str) -> bool:
        """Tell whether this replica should leave a snapshot of these contents now."""
        keys = await self._keys()
        if not keys:
            return True
        age = datetime.now(UTC) - _taken_at(keys[-1])
        if age < self._every:
            return False
        newest = await self._read(keys[-1])
        return newest.contents != contents and (newest.replica == self._replica or age > TAKEN_OVER * self._every)

    async def leave(self, held: Snapshot, contents: str) -> None:
        """Copy a saved state into the bucket, and remove what is older than the newest snapshots.

        Raises
        ------
        Unavailable
            The bucket is away; what was copied is not copied again.
        """
        there = {blob.key for blob in await self._blobs.list(self._segments)}
        for name in held.segments:
            if self._segments + name not in there:
                await self._blobs.put(self._segments + name, held.folder / name, content_type=OCTETS)
        description = Description.of(self._replica, contents, held).model_dump_json().encode()
        await self._blobs.put(f"{self._descriptions}{ULID()}", description, content_type="application/json")
        log.info("snapshot.left", segments=len(held.segments))
        await self._tidy()

    async def _tidy(self) -> None:
        keys = await self._keys()
        for key in keys[:-KEPT]:
            await self._blobs.delete(key)
        needed = {self._segments + name for key in keys[-KEPT:] for name in (await self._read(key)).segments}
        for blob in await self._blobs.list(self._segments):
            if blob.key not in needed and datetime.now(UTC) - blob.modified_at > ABANDONED:
                await self._blobs.delete(blob.key)

    async def _keys(self) -> list[str]:
        return sorted(blob.key for blob in await self._blobs.list(self._descriptions))

    async def _read(self, key: str) -> Description:
        return Description.model_validate_json(await self._blobs.get(key))


def _taken_at(key: str) -> datetime:
    return ULID.from_str(key.rpartition("/")[2]).datetime
