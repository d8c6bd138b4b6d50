"""Is a made-up library browsed and searched like one that people have uploaded?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from bench.browsing import fill, made_up
from tests.unit.ingest.instance import Ingest


async def test_made_up_songs_are_listed_sorted_counted_and_found(tmp_path: Path) -> None:
    songs = list(made_up(200, "eve", seed=1))
    await fill(tmp_path, songs)
    async with Ingest.open(tmp_path) as ingest, ingest.client("eve") as eve:
        for sort in ("newest", "title"):
            page = (await eve.get("/songs", params={"limit": 200, "sort": sort})).json()
            assert {song["id"] for song in page["songs"]} == {song.song_id for song in songs}
        artists = (await eve.get("/artists", params={"limit": 200})).json()["artists"]
        assert {one["name"]: one["songs"] for one in artists} == Counter(song.artist for song in songs)
        found = (await eve.get("/songs", params={"q": songs[0].title, "limit": 200})).json()["songs"]
        assert songs[0].song_id in [song["id"] for song in found]
        assert (await eve.get("/songs/usage")).json()["songs"]["used"] == 100
