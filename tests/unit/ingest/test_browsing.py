"""Are artists, albums and sorted songs just those that somebody sees, in order, on full pages?"""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

from services.ingest import listing
from services.ingest.words import fold
from shared.events import Tags
from shared.storage.paging import cursor_behind
from tests.unit.ingest.instance import Ingest, person

LONG = "\U0001f3b5" * 500
NAMES = [
    ("Zoo", "Ärzte", "Planet"),
    ("apple", "Abba", "Gold"),
    ("Äpfel", "abba", "Gold"),
    ("Apple Pie", "Abba Two", "Gold"),
    ("C# and Bb", "Abba", None),
    ("Banana", None, None),
    (LONG, LONG, LONG),
    (LONG, LONG, LONG + " II"),
]


async def pages(client: httpx.AsyncClient, path: str, limit: int, **params: Any) -> list[Any]:
    """What all pages have; every page but the last is full."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get(path, params={"limit": limit, **params, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        ones = page[path.removeprefix("/")]
        found += ones
        if page["next_cursor"] is None:
            return found
        assert len(ones) == limit
        cursor = {"cursor": page["next_cursor"]}


async def fill(ingest: Ingest) -> None:
    """Give eve every second song, ada the others, shared, and ada some that nobody else sees."""
    for number, (title, artist, album) in enumerate(NAMES):
        owner = "eve" if number % 2 else "ada"
        song = await ingest.ready_song(owner, visibility="shared" if owner == "ada" or number % 4 == 1 else "private")
        typed = Tags(title=title, artist=artist, album=album)
        await ingest.service.edit(person(owner), song.song_id, typed)
        hidden = await ingest.ready_song("ada")
        await ingest.service.edit(person("ada"), hidden.song_id, Tags(title=title, artist=f"Hidden {number}"))


async def test_songs_are_sorted_by_names_without_case_and_accents(ingest: Ingest) -> None:
    await fill(ingest)
    async with ingest.client("eve") as eve:
        newest = await pages(eve, "/songs", 200)
        for limit in (1, 3, 200):
            for first, second in (("title", "artist"), ("artist", "album"), ("album", "artist")):
                songs = await pages(eve, "/songs", limit, sort=first)
                keys = [(fold(song[first])[:70], fold(song[second])[:70]) for song in songs]
                assert keys == sorted(keys)
                assert {song["id"] for song in songs} == {song["id"] for song in newest}
                assert len(songs) == len(newest) == len(NAMES)
        own = [song["title"] for song in await pages(eve, "/songs", 3, sort="title", mine="true")]
        assert own == ["apple", "Apple Pie", "Banana", LONG]
        assert await pages(eve, "/songs", 3, sort="title", status="uploaded") == []


async def test_artists_and_albums_count_what_is_seen_whoever_owns_it(ingest: Ingest) -> None:
    await fill(ingest)
    for limit in (1, 2, 200):
        async with ingest.client("eve") as eve:
            artists = {one["name"]: one["songs"] for one in await pages(eve, "/artists", limit)}
            own = {one["name"]: one["songs"] for one in await pages(eve, "/artists", limit, mine="true")}
            albums = [(one["name"], one["artist"], one["songs"]) for one in await pages(eve, "/albums", limit)]
        seen = {"abba": 3, "abba two": 1, "arzte": 1, fold(LONG): 2, "": 1}
        assert {fold(name): count for name, count in artists.items()} == seen
        assert list(artists) == sorted(artists, key=fold)
        assert own == {"Abba": 1, "Abba Two": 1, "": 1, LONG: 1}
        names = ["gold", "gold", "planet", fold(LONG), "", ""]
        assert Counter(fold(name) for name, _, _ in albums) == Counter(names)
        assert [songs for name, artist, songs in albums if (name, fold(artist)) == ("Gold", "abba")] == [2]


async def test_names_are_found_by_how_they_begin(ingest: Ingest) -> None:
    await fill(ingest)
    async with ingest.client("eve") as eve:
        for q, names in (("ABB", ["abba", "abba two"]), ("abba t", ["abba two"]), ("ar", ["arzte"]), ("two", [])):
            assert [fold(one["name"]) for one in await pages(eve, "/artists", 1, q=q)] == names
        assert [one["artist"] for one in await pages(eve, "/albums", 1, q="gold")][1:] == ["Abba Two"]
        for q in ("hid", "\u0301"):
            assert (await eve.get("/artists", params={"q": q})).json() == {"artists": [], "next_cursor": None}


async def test_songs_of_an_artist_or_album_are_all_that_are_counted_there_and_no_others(ingest: Ingest) -> None:
    await fill(ingest)
    async with ingest.client("eve") as eve:
        for one in await pages(eve, "/artists", 200):
            songs = await pages(eve, "/songs", 1, artist=one["name"])
            assert {fold(song["artist"]) for song in songs} == {fold(one["name"])}
            assert len(songs) == one["songs"]
        for one in await pages(eve, "/albums", 200):
            songs = await pages(eve, "/songs", 1, album=one["name"], artist=one["artist"])
            assert {fold(song["album"])[:70] for song in songs} == {fold(one["name"])[:70]}
            assert {fold(song["album_artist"]) for song in songs} == {fold(one["artist"])}
            assert len(songs) == one["songs"]
        found = {artist: await pages(eve, "/songs", 1, artist=artist, q="app") for artist in ("ABBA", "Abb", "")}
        assert {artist: [song["title"] for song in songs] for artist, songs in found.items()} == {
            "ABBA": ["apple"],
            "Abb": [],
            "": [],
        }
        assert len(await pages(eve, "/songs", 1, album="gold")) == 3
        assert [song["title"] for song in await pages(eve, "/songs", 1, artist="abba", mine="true")] == ["apple"]
        assert await pages(eve, "/songs", 1, artist="Hidden 1") == []


async def test_list_is_counted_and_read_from_the_middle(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(ingest)
    monkeypatch.setattr(listing, "PART", 2)
    async with ingest.client("eve") as eve:
        for params in ({}, {"sort": "title"}, {"mine": "true"}, {"artist": "abba"}, {"artist": "nobody"}):
            songs = [song["id"] for song in await pages(eve, "/songs", 200, **params)]
            for at_once in (4, 20, 200):
                monkeypatch.setattr(listing, "COUNTED_AT_ONCE", at_once)
                counted, cursors = await parts(eve, params)
                assert counted == len(songs)
                for number, cursor in enumerate(cursors, start=1):
                    page = (await eve.get("/songs", params={"limit": 2, "cursor": cursor, **params})).json()["songs"]
                    assert [song["id"] for song in page] == songs[2 * number : 2 * number + 2]


async def parts(client: httpx.AsyncClient, params: dict[str, str]) -> tuple[int, list[str]]:
    counted, cursors, cursor = 0, [], None
    while True:
        answer = (await client.get("/songs/parts", params={**params, **({"cursor": cursor} if cursor else {})})).json()
        counted += answer["songs"]
        cursors += answer["cursors"]
        if (cursor := answer["next_cursor"]) is None:
            return counted, cursors


async def test_songs_of_others_change_neither_a_page_of_artists_nor_its_cursor(ingest: Ingest) -> None:
    await fill(ingest)
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/artists", {"limit": 1}),
        ("/albums", {"limit": 2}),
        ("/songs", {"limit": 2, "sort": "artist"}),
        ("/songs", {"limit": 1, "artist": "Abba"}),
        ("/songs/parts", {"sort": "artist"}),
    ]
    async with ingest.client("eve") as eve:
        before = [(await eve.get(path, params=params)).json() for path, params in asked]
        for typed in (Tags(artist="Abba", title="A"), Tags(artist="Aardvark"), Tags(artist="Abba Three")):
            song = await ingest.ready_song("ada")
            await ingest.service.edit(person("ada"), song.song_id, typed)
        assert [(await eve.get(path, params=params)).json() for path, params in asked] == before


IN_NONE = ["", "x\0", "a\x1f", "\x1f\x1f\x1f", "\x1f".join("abcde"), "\x1f".join(["a" * 400] * 4), "a" * 1100]
RUBBISH = [*map(cursor_behind, IN_NONE), cursor_behind("a", "b"), "", "x"]


@pytest.mark.parametrize(
    ("asked", "others"),
    [
        ("/artists", ["a\x1fb", "a\x1fb\x1fc\x1fd"]),
        ("/albums", ["a", "a\x1fb\x1fc\x1fd"]),
        ("/songs?sort=title", ["a", "a\x1fb"]),
        ("/songs", ["a\x1fb", "a\x1fb\x1fc\x1fd"]),
    ],
)
async def test_cursor_that_this_order_never_gave_is_refused(ingest: Ingest, asked: str, others: list[str]) -> None:
    async with ingest.client("eve") as eve:
        for cursor in [*RUBBISH, *map(cursor_behind, others)]:
            url = httpx.URL(asked).copy_merge_params({"cursor": cursor})
            answer = await eve.get(str(url))
            assert (answer.status_code, answer.json().get("code")) == (422, "cursor_invalid"), (asked, cursor)
