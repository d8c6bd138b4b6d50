"""Which songs does somebody see, page by page, and by which words?

Every song is listed with its owner, and while it is shared and ready, with those that all see. Whoever asks reads their
own list and the shared one, and no other: so no page, no length of one and no cursor tells of what others keep to
themselves. A song of the library is found by its words in the same two places.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence

from services.ingest import sorting
from services.ingest.songs import Song, Status
from services.ingest.sorting import Order
from services.ingest.walk import Walk
from services.ingest.words import have_all, words_of
from shared.errors import Rejected
from shared.storage.paging import cursor_behind, read_cursor
from shared.storage.tables import Delete, Item, Key, Put, Table, Write

READ_AT_ONCE = 200
MOST_LOOKED_AT = 1000
"""So many songs are looked at for one page, at least; what is rare may leave it short, with a cursor to go on."""

FEW = 100
MOST_COMPARED = 1000
"""Of a word that stands in more places than these, it is not asked which songs have it, but each song is looked at."""
MOST_WORDS = 5
"""So many words of a question tell where to look; a song that is looked at must have all of them."""

PART = 100
COUNTED_AT_ONCE = 200 * PART

_SHARED = "shared"
_POSITION = re.compile(r"(\w{1,40}#)?[0-9A-Za-z-]{1,64}")

FindMany = Callable[[Iterable[str]], Awaitable[list[Song]]]
SongsAndCursor = tuple[list[Song], str | None]


class Listing:
    """Pages of the songs that somebody sees."""

    def __init__(self, table: Table, find_many: FindMany) -> None:
        self._table = table
        self._find_many = find_many

    async def in_order(
        self,
        order: Order | None,
        user_id: str,
        *,
        beginning: str,
        only_own: bool,
        keep: Callable[[Song], bool],
        limit: int,
        cursor: str | None,
    ) -> SongsAndCursor:
        """Return songs in an order, newest first where there is none, and the cursor of the next page.

        Parameters
        ----------
        beginning : str
            What the sort keys begin with; see `sorting.place_of`.
        """
        walk = self._walk(order, beginning, seen(user_id, only_own), cursor)
        return await self._page(walk, user_id, lambda _, song: keep(song), limit)

    async def parts(
        self, order: Order | None, user_id: str, *, beginning: str, only_own: bool, cursor: str | None
    ) -> tuple[int, list[str], str | None]:
        """Count the songs of `in_order`, and return the cursors behind each `PART` of them, and where to count on."""
        walk = self._walk(order, beginning, seen(user_id, only_own), cursor)
        count, cursors, last = 0, [], ""
        while not walk.is_over and count < COUNTED_AT_ONCE:
            for item in await walk.following(10 * PART):
                count, last = count + 1, str(item["sk"])
                if count % PART == 0:
                    cursors.append(cursor_behind(last))
        return count, cursors, None if walk.is_over else cursor_behind(last)

    def _walk(self, order: Order | None, beginning: str, libraries: list[str], cursor: str | None) -> Walk:
        if order is None:
            return Walk(self._table, list(map(_songs, libraries)), "", _position(cursor, ""), descending=True)
        position = None
        if cursor is not None:
            position = sorting.check_song_position(*read_cursor(cursor, 1, sk_prefix=beginning))
        return Walk(self._table, [sorting.partition(order, one) for one in libraries], beginning, position)

    async def by_words(
        self,
        user_id: str,
        words: Sequence[str],
        *,
        only_own: bool,
        limit: int,
        cursor: str | None,
    ) -> SongsAndCursor:
        """Return songs of the library with words that begin so, in the order of their rarest such word, and the cursor.

        Where few songs have one of the words, only those are looked at that are found by the others too.
        """
        libraries, telling = seen(user_id, only_own), _telling(words)
        ids = await self._ids_by_word(libraries, telling) if len(telling) > 1 else {}
        among = set.intersection(*ids.values()) if ids else None
        if cursor is None:
            word = min(telling, key=lambda one: (len(ids[one]) if one in ids else math.inf, -len(one)))
        else:
            (position,) = read_cursor(cursor, 1)
            word = next((one for one in telling if position.startswith(one)), telling[0])
        walk = Walk(self._table, [_words(library, word) for library in libraries], word, _position(cursor, word))

        def keep_once(sk: str, song: Song) -> bool:
            own = words_of_song(song)
            first = min((one for one in own if one.startswith(word)), default="")
            return sk == _word_sk(first, song) and have_all(own, words)

        return await self._page(walk, user_id, keep_once, limit, among)

    async def _ids_by_word(self, libraries: list[str], words: list[str]) -> dict[str, set[str]]:
        """Return the ids of all songs with each word, but of no word that more than a few songs have.

        Of other words beside one that hardly any song has, nothing is returned: those few are soon looked at.
        """
        walks = {word: Walk(self._table, [_words(one, word) for one in libraries], word, None) for word in words}
        ids: dict[str, set[str]] = {word: set() for word in words}
        rare: list[str] = []
        for limit in (FEW, MOST_COMPARED):
            found = await asyncio.gather(*(walk.following(limit) for walk in walks.values()))
            for word, items in zip(words, found, strict=True):
                ids[word] |= {_song_id(str(item["sk"])) for item in items}
            rare = [word for word, walk in walks.items() if walk.is_over]
            if rare:
                break
        return {word: ids[word] for word in rare}

    async def all_of(self, owner: str, *, cursor: str | None) -> SongsAndCursor:
        """Return some songs of an owner, in every state but deleted, and the cursor of the others."""
        page = await self._table.query(_songs(_own(owner)), limit=READ_AT_ONCE, cursor=cursor)
        return await self._find_many(str(item["sk"]) for item in page.items), page.cursor

    async def _page(
        self,
        walk: Walk,
        user_id: str,
        keep: Callable[[str, Song], bool],
        limit: int,
        among: set[str] | None = None,
    ) -> SongsAndCursor:
        found: list[Song] = []
        last_found = last_seen = ""
        looked_at, at_once = 0, limit + 1
        while True:
            walked = [str(item["sk"]) for item in await walk.following(at_once)]
            keys = [sk for sk in walked if among is None or _song_id(sk) in among]
            songs = {song.song_id: song for song in await self._find_many(_song_id(sk) for sk in keys)}
            for sk in keys:
                song = songs.get(_song_id(sk))
                if song is None or not song.is_visible_to(user_id):
                    continue  # left by who died while changing its words; no cursor may name it
                looked_at, last_seen = looked_at + 1, sk
                if not keep(sk, song):
                    continue
                if len(found) == limit:
                    return found, cursor_behind(last_found)
                found.append(song)
                last_found = sk
            if walk.is_over:
                return found, None
            if looked_at >= MOST_LOOKED_AT:
                return found, cursor_behind(last_seen)
            at_once = READ_AT_ONCE


# --- Writes that go with a change ---


def relist(before: Song | None, after: Song) -> list[Write]:
    """Return what lists a song where it belongs after a change, and nowhere else."""
    old = {} if before is None else _listed(before)
    new = _listed(after)
    puts: list[Write] = [Put(item) for key, item in new.items() if old.get(key) != item]
    return [*puts, *(Delete(key) for key in old if key not in new)]


def word_keys(song: Song) -> set[Key]:
    """Return where a song is found by its words: nowhere unless it belongs to the library."""
    if song.status is not Status.READY:
        return set()
    words = words_of_song(song)
    return {Key(_words(library, word), _word_sk(word, song)) for library in _libraries(song) for word in words}


def _listed(song: Song) -> dict[Key, Item]:
    items: list[Item] = []
    for library in _libraries(song):
        items += [{"pk": _songs(library), "sk": song.song_id}, *sorting.sorted_items(song, library)]
    return {Key(str(item["pk"]), str(item["sk"])): item for item in items}


def _libraries(song: Song) -> list[str]:
    if song.status is Status.DELETED:
        return []
    return [_own(song.owner), _SHARED] if song.is_shared else [_own(song.owner)]


def seen(user_id: str, only_own: bool) -> list[str]:
    """Return the lists that somebody reads."""
    return [_own(user_id)] if only_own else [_own(user_id), _SHARED]


def _own(owner: str) -> str:
    return f"of#{owner}"


def _songs(library: str) -> str:
    return f"songs#{library}"


def _words(library: str, word: str) -> str:
    return f"words#{library}#{word[:2]}"


def _telling(words: Sequence[str]) -> list[str]:
    """Return the words that say where to look: none that begins another, and no letter beside whole words."""
    distinct = [one for one in words if not any(other != one and other.startswith(one) for other in words)]
    longest = sorted(distinct, key=len, reverse=True)[:MOST_WORDS]
    return [one for one in longest if len(one) > 1] or longest


def words_of_song(song: Song) -> list[str]:
    """Return the words by which a song is found."""
    return words_of(song.title, song.artist, song.album, song.isrc or "")


def _word_sk(word: str, song: Song) -> str:
    return f"{word}#{song.song_id}"


def _song_id(sk: str) -> str:
    return sorting.song_id_of(sk.rpartition("#")[2])


def _position(cursor: str | None, prefix: str) -> str | None:
    if cursor is None:
        return None
    (position,) = read_cursor(cursor, 1, sk_prefix=prefix)
    if not _POSITION.fullmatch(position):
        raise Rejected("cursor_invalid", "the cursor does not belong to this query")
    return position
