"""In which orders but the newest first are songs of the library listed, and under which names?

There is one item for each song, order and list, whose sort key is the names by which it is sorted, folded, and its id:
so songs of an artist, or of an album, stand together, and all of them begin alike.
"""

from __future__ import annotations

from enum import StrEnum

from services.ingest.songs import Song, Status
from services.ingest.words import fold
from shared.errors import Rejected
from shared.storage.tables import Item

_END = "\x1f"
"""Ends each name of a sort key: no name has it, and it sorts before what they have, so "Air" precedes "Air Two"."""
_BEHIND = " "
"""Sorts behind `_END`, and before all names that are longer."""
_NAME_BYTES = 300
"""Three names and an id fit `_SK_BYTES`, and those the 1,024 bytes that a sort key may have."""
_MOST_TRACKS = 9999


class Order(StrEnum):
    """What a list of songs is sorted by; names precede each other without case and accents."""

    TITLE = "title"
    ARTIST = "artist"
    ALBUM = "album"


_NAMES = 3
"""So many names, and the id, make up a sort key in each order."""
_SK_BYTES = 1000
_GROUP_NAMES = {Order.ARTIST: 1, Order.ALBUM: 2}
"""So many names at the beginning say which artist, and which album of whom, a song belongs to."""


def sorted_items(song: Song, library: str) -> list[Item]:
    """Return what lists a song in each order: nothing unless it belongs to the library."""
    if song.status is not Status.READY:
        return []
    track = f"{max(0, min(song.tags.track or 0, _MOST_TRACKS)):04d} {song.title}"
    cover: Item = {} if song.cover_key is None else {"has_cover": True}
    return [
        _item(Order.TITLE, library, song, (song.title, song.artist, song.album), {}),
        _item(Order.ARTIST, library, song, (song.artist, song.album, track), {"name": song.artist, **cover}),
        _item(
            Order.ALBUM,
            library,
            song,
            (song.album, song.album_artist, track),
            {"name": song.album, "artist": song.album_artist, **cover},
        ),
    ]


def _item(order: Order, library: str, song: Song, names: tuple[str, ...], shown: Item) -> Item:
    sk = "".join(f"{_sortable(name)}{_END}" for name in names) + song.song_id
    return {"pk": partition(order, library), "sk": sk, **shown}


def partition(order: Order, library: str) -> str:
    """Return where the songs of a list are in an order."""
    return f"sorted#{order}#{library}"


def prefix_of(beginning: str) -> str:
    """Return with what the sort keys begin whose first name begins so; empty where there is no letter in it."""
    return _sortable(beginning) if fold(beginning).strip() else ""


def place_of(artist: str | None, album: str | None) -> tuple[Order, str]:
    """Return in which order the songs of an artist, or an album, stand together, and what their sort keys begin with.

    Parameters
    ----------
    artist : str, optional
        Whose songs; with an album, whose album.
    """
    order, names = (Order.ARTIST, [artist]) if album is None else (Order.ALBUM, [album, artist])
    return order, "".join(f"{_sortable(name)}{_END}" for name in names if name is not None)


def song_id_of(sk: str) -> str:
    """Return the id of the song with a sort key."""
    return sk.rpartition(_END)[2]


def group_of(order: Order, sk: str) -> str:
    """Return what the sort keys of all songs of the same artist, or album, begin with."""
    return _END.join(sk.split(_END)[: _GROUP_NAMES[order]])


def behind(group: str) -> str:
    """Return the position behind all songs of a group."""
    return group + _BEHIND


def check_song_position(position: str) -> str:
    """Return a position that can be the sort key of a song, or raise `Rejected` (``cursor_invalid``)."""
    return _check(position, names=_NAMES + 1)


def check_group(order: Order, group: str) -> str:
    """Return what can be a group of an order, or raise `Rejected` (``cursor_invalid``)."""
    return _check(group, names=_GROUP_NAMES[order])


def _check(text: str, *, names: int) -> str:
    parts = text.split(_END)
    if len(parts) != names or not all(parts) or "\0" in text or len(text.encode()) > _SK_BYTES:
        raise Rejected("cursor_invalid", "the cursor does not belong to this query")
    return text


def _sortable(name: str) -> str:
    words = " ".join(fold(name).split()) or "?"
    return words.encode()[:_NAME_BYTES].decode(errors="ignore")
