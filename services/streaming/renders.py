"""What is a render, and where is it kept? An equalized file of a song, made once for all who ask for the same."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from services.streaming.rendering import Format, RenderSpec
from services.streaming.store import LISTENING
from services.streaming.waveform import WaveformPairs
from shared.events import RenderRequested
from shared.messaging.outbox import Outbox, with_pending
from shared.storage.tables import Absent, ConditionFailed, Delete, Equals, Item, Key, Table

_DUE = LISTENING.indexes[1]
EXPIRY = "render"
CONTENT_TYPES: dict[Format, str] = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
}


class RenderStatus(StrEnum):
    """Where a render is in its life."""

    QUEUED = "queued"
    RENDERING = "rendering"
    READY = "ready"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self in (RenderStatus.READY, RenderStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Render:
    """A render and all that is known of it. Times are RFC 3339; outlines are those of `WaveformPairs`, as bytes."""

    song_id: str
    render_id: str
    spec: RenderSpec
    asked_at: str
    expires_at: str
    revision: int = 1
    status: RenderStatus = RenderStatus.QUEUED
    progress: float = 0.0
    sample_rate_hz: int | None = None
    duration_s: float | None = None
    headroom_db: float | None = None
    size_bytes: int | None = None
    code: str | None = None
    reason: str | None = None

    @property
    def blob_key(self) -> str:
        """Where the file is."""
        return f"renders/{self.song_id}/{self.render_id}"

    def revised(self, **changes: Any) -> Render:
        """Return the render with changes and the next revision."""
        return dataclasses.replace(self, revision=self.revision + 1, **changes)


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """How a song looked before it was rendered, and after."""

    before: WaveformPairs
    after: WaveformPairs


_RENDER: TypeAdapter[Render] = TypeAdapter(Render)


class RenderStore:
    """Renders by song, and by the time at which they are removed."""

    def __init__(self, table: Table, outbox: Outbox) -> None:
        self._table = table
        self._outbox = outbox

    async def find(self, song_id: str, render_id: str) -> Render | None:
        """Return a render."""
        item = await self._table.get(_key(song_id, render_id))
        return None if item is None else _render(item)

    async def outlines(self, song_id: str, render_id: str) -> Outlines | None:
        """Return how the song looked before and after, once that is known."""
        item = await self._table.get(_outlines_key(song_id, render_id))
        if item is None:
            return None
        before_min, before_max, after_min, after_max = np.frombuffer(_bytes(item, "outlines"), np.int8).reshape(4, -1)
        return Outlines(WaveformPairs(before_min, before_max), WaveformPairs(after_min, after_max))

    async def put_outlines(self, render: Render, outlines: Outlines) -> None:
        """Keep how the song looked before and after."""
        key = _outlines_key(render.song_id, render.render_id)
        rows = [outlines.before.minima, outlines.before.maxima, outlines.after.minima, outlines.after.maxima]
        await self._table.put({"pk": key.pk, "sk": key.sk, "outlines": np.stack(rows).tobytes()})

    async def ask(self, before: Render | None, after: Render) -> bool:
        """Keep a render that is to be made, and have it made; False where somebody else has changed it meanwhile."""
        event = RenderRequested(song_id=after.song_id, render_id=after.render_id)
        item = with_pending(_item(after), [event])
        try:
            await self._table.put(item, condition=_unchanged(before))
        except ConditionFailed:
            return False
        await self._outbox.publish(item)
        return True

    async def change(self, before: Render, **changes: Any) -> Render | None:
        """Change a render as nobody else has done meanwhile; else return None."""
        after = before.revised(**changes)
        try:
            await self._table.put(_item(after), condition=_unchanged(before))
        except ConditionFailed:
            return None
        return after

    async def delete(self, song_id: str, render_id: str) -> None:
        """Forget a render."""
        await self._table.batch_write([], [_key(song_id, render_id), _outlines_key(song_id, render_id)])

    async def delete_unchanged(self, render: Render) -> None:
        """Forget a render, unless somebody has asked for it again meanwhile."""
        delete = Delete(_key(render.song_id, render.render_id), _unchanged(render))
        with contextlib.suppress(ConditionFailed):
            await self._table.transact([delete, Delete(_outlines_key(render.song_id, render.render_id))])

    async def of_song(self, song_id: str) -> AsyncIterator[Render]:
        """Yield all renders of a song."""
        cursor: str | None = None
        while True:
            page = await self._table.query(f"song#{song_id}", sk_prefix="render#", cursor=cursor)
            for item in page.items:
                yield _render(item)
            if page.cursor is None:
                return
            cursor = page.cursor

    async def expired(self, *, now: datetime, limit: int = 100) -> list[Render]:
        """Return renders whose time is over, oldest first."""
        page = await self._table.query_index(_DUE, EXPIRY, sk_below=now.astimezone(UTC).isoformat(), limit=limit)
        return [_render(item) for item in page.items]


def _unchanged(before: Render | None) -> Absent | Equals:
    return Absent() if before is None else Equals("revision", before.revision)


def _key(song_id: str, render_id: str) -> Key:
    return Key(f"song#{song_id}", f"render#{render_id}")


def _outlines_key(song_id: str, render_id: str) -> Key:
    return Key(f"song#{song_id}", f"render-outlines#{render_id}")


def _item(render: Render) -> Item:
    key = _key(render.song_id, render.render_id)
    return {
        "pk": key.pk,
        "sk": key.sk,
        "revision": render.revision,
        "due": EXPIRY,
        "due_at": render.expires_at,
        "render": _RENDER.dump_json(render).decode(),
    }


def _render(item: Item) -> Render:
    return _RENDER.validate_json(str(item["render"]))


def _bytes(item: Item, name: str) -> bytes:
    value = item[name]
    assert isinstance(value, bytes)
    return value
