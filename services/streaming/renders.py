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
from shared.storage.personal import personal_partition
from shared.storage.tables import Absent, ConditionFailed, Delete, Equals, Item, Key, Put, Table

_DUE = LISTENING.indexes[1]
EXPIRY = "render"
_PLACE = "render-place#"
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


@dataclass(frozen=True, slots=True)
class Place:
    """One of the places for renders that somebody may have under way, and the render that took it last.

    The place is free when that has ended, so that no crash can leave it taken.
    """

    user_id: str
    number: int
    song_id: str = ""
    render_id: str = ""


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

    async def places(self, user_id: str) -> dict[int, Place]:
        """Return the places that renders of somebody have, or had, by their numbers."""
        page = await self._table.query(personal_partition(user_id), sk_prefix=_PLACE, limit=1000)
        return {place.number: place for place in map(_place, page.items)}

    async def ask(self, before: Render | None, after: Render, place: Place, *, place_ends_at: datetime) -> bool:
        """Keep a render that is to be made, and have it made; False where somebody has changed it, or its place.

        Parameters
        ----------
        before, after : Render
            The render as it was found, and as it is to be.
        place : Place
            The place that it is to have, as it was found.
        place_ends_at : datetime
            When it loses its place, if it has not ended by then.
        """
        event = RenderRequested(song_id=after.song_id, render_id=after.render_id)
        item = with_pending(_item(after), [event])
        taken = dataclasses.replace(place, song_id=after.song_id, render_id=after.render_id)
        is_same = Equals("render_id", place.render_id) if place.render_id else Absent()
        try:
            await self._table.transact(
                [Put(item, _unchanged(before)), Put(_place_item(taken, int(place_ends_at.timestamp())), is_same)]
            )
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


def _place_item(place: Place, expires_at: int) -> Item:
    return {
        "pk": personal_partition(place.user_id),
        "sk": f"{_PLACE}{place.number}",
        "song_id": place.song_id,
        "render_id": place.render_id,
        "expires_at": expires_at,
    }


def _place(item: Item) -> Place:
    user_id, number = str(item["pk"]).removeprefix(personal_partition("")), str(item["sk"]).removeprefix(_PLACE)
    return Place(user_id, int(number), str(item["song_id"]), str(item["render_id"]))


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
