"""Which artists and albums does somebody see, and how many songs of each?

They are counted, not stored: the songs of a list stand sorted by artist and by album, so that a page of artists is what
follows each other there. What is read are one's own list and the shared one, as in `listing`, and nothing else tells of
an artist: no count has to be kept right, and none is left of a song that is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.ingest import sorting
from services.ingest.listing import seen
from services.ingest.sorting import Order
from services.ingest.walk import Walk
from shared.storage.paging import cursor_behind, read_cursor
from shared.storage.tables import Item, Table

READ_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Group:
    """An artist (then `artist` is the same as `name`), or an album of an artist, and what is seen of it."""

    name: str
    artist: str
    songs: int = 0
    cover_song_id: str | None = None

    def and_one_more(self, item: Item) -> Group:
        """Return the group with the song that an item lists."""
        cover = sorting.song_id_of(str(item["sk"])) if "has_cover" in item else None
        return replace(self, songs=self.songs + 1, cover_song_id=self.cover_song_id or cover)


class Browsing:
    """Pages of the artists and albums of what somebody sees."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def artists(
        self, user_id: str, *, beginning: str, only_own: bool, limit: int, cursor: str | None
    ) -> tuple[list[Group], str | None]:
        """Return artists whose names begin so, sorted by name, and the cursor of the next page."""
        return await self._groups(Order.ARTIST, user_id, beginning, only_own, limit, cursor)

    async def albums(
        self, user_id: str, *, beginning: str, only_own: bool, limit: int, cursor: str | None
    ) -> tuple[list[Group], str | None]:
        """Return albums whose names begin so, sorted by name and artist, and the cursor of the next page."""
        return await self._groups(Order.ALBUM, user_id, beginning, only_own, limit, cursor)

    async def _groups(
        self, order: Order, user_id: str, beginning: str, only_own: bool, limit: int, cursor: str | None
    ) -> tuple[list[Group], str | None]:
        prefix = sorting.prefix_of(beginning)
        if beginning and not prefix:
            return [], None  # nothing but accents, which no name begins with
        position = None
        if cursor is not None:
            (last,) = read_cursor(cursor, 1, sk_prefix=prefix)
            position = sorting.behind(sorting.check_group(order, last))
        places = [sorting.partition(order, library) for library in seen(user_id, only_own)]
        walk = Walk(self._table, places, prefix, position)
        found: dict[str, Group] = {}
        last = ""
        while not walk.is_over:
            for item in await walk.following(READ_AT_ONCE):
                group = sorting.group_of(order, str(item["sk"]))
                if group not in found and len(found) == limit:
                    return list(found.values()), cursor_behind(last)
                one = found.get(group) or Group(str(item["name"]), str(item.get("artist", item["name"])))
                found[group] = one.and_one_more(item)
                last = group
        return list(found.values()), None
