"""How long does it take to browse and search a large library?

The songs are made up and have no audio: they are put into the tables as ingest keeps them. Half of them are private and
of the one who asks, half are shared by somebody else, so that both lists are read. The service is one process on
SQLite.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from ulid import ULID

from deploy.local.one_process import OneProcess
from deploy.local.process import end_in_order_when_asked
from services.ingest.listing import relist, word_keys
from services.ingest.songs import Change, Song, Status
from services.ingest.store import song_item
from services.ingest.usage import Usage, count, usage_of
from shared.catalogue import SONGS
from shared.events import AudioFormat, Tags
from shared.storage.sqlite import SqliteTable
from shared.storage.tables import Item, Put

SOMEBODY_ELSE = "somebody-else"
FORMAT = AudioFormat(container="flac", codec="flac", sample_rate_hz=44_100, channels=2)
SONGS_AT_ONCE = 2000
# fmt: off
CONSONANTS = (
    "b", "br", "c", "cl", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z",
)
# fmt: on
PAGE = 50
DEEP_PAGES = 40
ACCOUNT = {"username": "browser", "password": "a library to browse"}


@dataclass
class Words:
    """Made-up words of a language in which few are said often, and most hardly ever."""

    rng: random.Random
    words: list[str] = field(init=False)

    def __post_init__(self) -> None:
        distinct = dict.fromkeys(self._word() for _ in range(9000))
        self.words = list(distinct)

    def _word(self) -> str:
        return "".join(self.rng.choice(CONSONANTS) + self.rng.choice("aeiou") for _ in range(self.rng.randint(1, 4)))

    def name(self, fewest: int, most: int) -> str:
        """Return a name of some words."""
        ranks = (int(len(self.words) ** self.rng.random()) for _ in range(self.rng.randint(fewest, most)))
        return " ".join(self.words[min(rank, len(self.words) - 1)].title() for rank in ranks)


def made_up(songs: int, user_id: str, seed: int) -> Iterator[Song]:
    """Make up songs that are ready: on average eight of an album, and three albums of an artist."""
    rng = random.Random(seed)
    words = Words(rng)
    albums = max(1, songs * 6 // 50)
    artists = [words.name(1, 3) for _ in range(max(1, albums // 3))]
    of_album = [(words.name(1, 4), artists[int(len(artists) * rng.random() ** 1.5)]) for _ in range(albums)]
    now_ms = int(time.time() * 1000)
    for number in range(songs):
        album, artist = rng.choice(of_album)
        at = f"2026-01-01T00:00:{number % 60:02d}+00:00"
        yield Song(
            str(ULID.from_timestamp((now_ms - (songs - number) * 1000) / 1000)),
            user_id if number % 2 else SOMEBODY_ELSE,
            f"{number}.flac",
            30_000_000,
            "audio/flac",
            at,
            tags=Tags(title=words.name(1, 5), artist=artist, album=album, track=number % 12 + 1),
            status=Status.READY,
            content_sha256=f"{number:064x}",
            duration_s=180.0,
            audio_format=FORMAT,
            history=tuple(Change(one, at) for one in (Status.UPLOADED, Status.FINGERPRINTED, Status.READY)),
            visibility="private" if number % 2 else "shared",
        )


async def fill(data: Path, songs: list[Song]) -> None:
    """Put songs into the table of an instance as ingest keeps them; nobody hears of them."""
    table = SqliteTable(data / "tables.sqlite", SONGS)
    try:
        for start in range(0, len(songs), SONGS_AT_ONCE):
            some = songs[start : start + SONGS_AT_ONCE]
            await table.batch_write([item for song in some for item in items_of(song)])
        for owner in {song.owner for song in songs}:
            used = [usage_of(song) for song in songs if song.owner == owner]
            total = Usage(len(used), sum(one.size_bytes for one in used), 0)
            await table.transact(count(owner, Usage(), total))
    finally:
        await table.close()


def items_of(song: Song) -> Iterator[Item]:
    """Return all items of a song by which it is listed, sorted and found."""
    yield song_item(song)
    yield from (write.item for write in relist(None, song) if isinstance(write, Put))
    yield from ({"pk": key.pk, "sk": key.sk} for key in word_keys(song))


class Browser:
    """Asks one question after the other, and notes how long each took."""

    def __init__(self, http: httpx.Client, songs: list[Song], seed: int) -> None:
        self._http = http
        self._songs = songs
        self._rng = random.Random(seed)
        self.took_ms: dict[str, list[float]] = {}

    def ask(self, kind: str, path: str, **params: Any) -> dict[str, Any]:
        """Ask for a page."""
        began_s = time.perf_counter()
        answer = self._http.get(f"/v1/{path}", params={"limit": PAGE, **params})
        self.took_ms.setdefault(kind, []).append((time.perf_counter() - began_s) * 1000)
        page: dict[str, Any] = answer.raise_for_status().json()
        return page

    def browse(self, rounds: int) -> None:
        """Go through everything that people do with a library."""
        for sort in ("newest", "title", "artist", "album"):
            self._scroll(f"songs by {sort}", "songs", sort=sort)
            self.ask(f"parts of songs by {sort}", "songs/parts", sort=sort)
        for path in ("artists", "albums"):
            self._scroll(path, path)
        for _ in range(rounds):
            song = self._rng.choice(self._songs)
            self._type("search", song.title if self._rng.random() < 0.5 else song.artist)
            self._type("search two words", f"{song.artist.split()[0]} {song.title.split()[-1]}", at_least=4)
            self._type("search in vain", "".join(self._rng.choices("qxzjvw", k=8)))
            self.ask("search nothing together", "songs", q=f"{self._rng.choice(self._songs).title} zzyzx"[:200])
            self.ask("songs of an artist", "songs", artist=song.artist)
            self.ask("songs of an album", "songs", album=song.album, artist=song.artist)
            self.ask("artists by prefix", "artists", q=song.artist[: self._rng.randint(1, 4)])
            self.ask("albums by prefix", "albums", q=song.album[: self._rng.randint(1, 4)])

    def _scroll(self, kind: str, path: str, **params: Any) -> None:
        page = self.ask(f"{kind}, first page", path, **params)
        for _ in range(DEEP_PAGES):
            if page["next_cursor"] is None:
                return
            page = self.ask(f"{kind}, deep", path, cursor=page["next_cursor"], **params)

    def _type(self, kind: str, text: str, *, at_least: int = 2) -> None:
        for length in range(at_least, min(len(text), at_least + 6) + 1):
            self.ask(kind, "songs", q=text[:length])

    def figures(self) -> dict[str, dict[str, float]]:
        """Return quantiles of each kind of question, in milliseconds."""
        return {
            kind: {
                "asked": len(took_ms),
                "p50_ms": round(float(np.percentile(took_ms, 50)), 1),
                "p95_ms": round(float(np.percentile(took_ms, 95)), 1),
                "max_ms": round(max(took_ms), 1),
            }
            for kind, took_ms in self.took_ms.items()
        }


@dataclass(frozen=True)
class LargeLibrary:
    """A running service with many songs, and whose they are."""

    url: str
    songs: list[Song]
    filled_s: float | None
    """How long it took to fill; None where that was done before."""


@contextmanager
def large_library(folder: Path, songs: int, seed: int) -> Iterator[LargeLibrary]:
    """Run a service over a folder, and fill it with songs if it has none."""
    end_in_order_when_asked()
    service = OneProcess(folder)
    service.start()
    try:
        with httpx.Client(base_url=service.url, timeout=60) as http:
            http.post("/v1/auth/signup", json=ACCOUNT)  # refused where it was filled before
            log_in(http)
            user_id = http.get("/v1/auth/me").raise_for_status().json()["user_id"]
            used = http.get("/v1/songs/usage").raise_for_status().json()["songs"]["used"]
        library = list(made_up(songs, user_id, seed))
        if used not in (0, own := sum(song.owner == user_id for song in library)):
            raise SystemExit(f"{folder} has {used} songs of one's own, and not {own}: name another folder")
        filled_s = None
        if not used:
            began_s = time.perf_counter()
            asyncio.run(fill(service.data, library))
            filled_s = round(time.perf_counter() - began_s, 1)
        yield LargeLibrary(service.url, library, filled_s)
    finally:
        service.kill()


def log_in(http: httpx.Client) -> None:
    """Let a client ask as the owner of half of the songs."""
    tokens = http.post("/v1/auth/login", json=ACCOUNT).raise_for_status().json()
    http.headers["Authorization"] = f"Bearer {tokens['access_token']}"


@contextmanager
def folder_of(args: argparse.Namespace) -> Iterator[Path]:
    """Return the folder that the command line names, or one that lasts as long as it is needed."""
    if args.folder is not None:
        args.folder.mkdir(parents=True, exist_ok=True)
        yield args.folder
        return
    with tempfile.TemporaryDirectory(prefix="tunescout-library-") as folder:
        yield Path(folder)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return what one can say about a large library on the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--songs", type=int, default=50_000)
    parser.add_argument("--folder", type=Path, help="fill the library here, and use it again the next time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    return parser


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=40, help="songs that are searched for")
    args = parser.parse_args()
    with (
        folder_of(args) as folder,
        large_library(folder, args.songs, args.seed) as library,
        httpx.Client(base_url=library.url, timeout=60) as http,
    ):
        log_in(http)
        browser = Browser(http, library.songs, args.seed)
        browser.browse(args.rounds)
    load = os.getloadavg()[0]
    print(f"{args.songs} songs, filled in {library.filled_s} s, load {load:.1f}")
    kinds = browser.figures()
    for kind, one in kinds.items():
        print(f"{kind:32} " + "  ".join(f"{name} {value:8}" for name, value in one.items()))
    if args.json:
        print(json.dumps({"songs": args.songs, "filled_s": library.filled_s, "load": load, "kinds": kinds}))


if __name__ == "__main__":
    main()
