"""Does a packaged song sound as it should in players of HLS and DASH, and only to those who may hear it?"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from playwright.async_api import Browser, async_playwright

from deploy.local.chromium import chromium
from deploy.local.node import node_modules
from deploy.local.one_process import OneProcess
from deploy.local.stack import Stack
from tests.conftest import PLAYERS
from tests.e2e.conftest import new_client
from tests.e2e.test_main_job import upload_one
from tunescout.client import Client
from tunescout.synthesis import tune

pytestmark = pytest.mark.timeout(300)

RATE_HZ = 44_100
SONG_S = 23.5
FRAME_S = 1024 / RATE_HZ
BEGIN_S, MIDDLE_AT_S, MIDDLE_S = 12.0, 15.25, 4.0

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Packaged:
    """A packaged song as its owner sees it."""

    owner: Client
    song_id: str
    answer: dict[str, Any]

    @property
    def base(self) -> str:
        return str(self.answer["package"]["hls_url"]).rpartition("/")[0]


@cache
def source() -> Samples:
    """A song whose two sides are different tunes, shape (frames, 2)."""
    return np.stack([tune(seed, SONG_S, RATE_HZ) for seed in (870, 871)], axis=1)


async def packaged(client: Client, path: Path) -> Packaged:
    song = await upload_one(client, path)
    await client.ask("POST", f"/v1/songs/{song.id}/package")
    async with asyncio.timeout(150):  # it gives way to everything else on the machine
        while (answer := (await client.ask("GET", f"/v1/songs/{song.id}/stream")).json())["package"] is None:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    return Packaged(client, song.id, answer)


@pytest.fixture(scope="module")
async def songs(
    one_process: OneProcess, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, Packaged]]:
    """The same song in both ways of running the service, by their names."""
    path = tmp_path_factory.mktemp("streaming") / "song.wav"
    soundfile.write(path, source(), RATE_HZ)
    async with await new_client(one_process.url) as first, await new_client(stack.url) as second:
        made = await asyncio.gather(*(packaged(client, path) for client in (first, second)))
        yield dict(zip(("one_process", "stack"), made, strict=True))


@pytest.fixture(params=["one_process", "stack"])
def song(request: pytest.FixtureRequest, songs: dict[str, Packaged]) -> Packaged:
    return songs[request.param]


MANIFESTS = ("master.m3u8", "64k.m3u8", "128k.m3u8", "256k.m3u8", "manifest.mpd")
AUDIO = [
    f"{kbps}k/{name}.{kind}"
    for kbps in (64, 128, 256)
    for name, kind in (("init", "mp4"), ("00001", "m4s"), ("00006", "m4s"))
]


@pytest.fixture(scope="module")
def players() -> list[Path]:
    """The scripts of the players."""
    modules = node_modules(PLAYERS)
    return [modules / "hls.js/dist/hls.light.min.js", modules / "dashjs/dist/modern/umd/dash.all.min.js"]


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        yield await playwright.chromium.launch(
            executable_path=chromium(),
            args=["--autoplay-policy=no-user-gesture-required", "--no-sandbox", "--disable-background-networking"],
        )


async def listen(browser: Browser, players: list[Path], song: Packaged, player: str) -> list[Samples]:
    """Play on a page of the service's own origin; return what was heard from the beginning, and from the middle."""
    origin = "/".join(song.base.split("/")[:3])
    manifest = song.answer["package"]["dash_url" if player == "dash.js" else "hls_url"]
    page = await browser.new_page(bypass_csp=True)  # the players are no part of our pages
    page.set_default_timeout(150_000)
    await page.goto(f"{origin}/live")  # a real one: made up pages may not call servers of this machine
    for script in [*players, PLAYERS / "listen.js"]:
        await page.add_script_tag(path=script)
    heard = await page.evaluate(
        "([player, url, ...times]) => listen(player, url, ...times)",
        [player, manifest, BEGIN_S, MIDDLE_AT_S, MIDDLE_S],
    )
    await page.close()
    return [np.frombuffer(base64.b64decode(one), np.float32).reshape(-1, 2) for one in heard]


def correlation(heard: Samples, source: Samples) -> float:
    """Pearson's coefficient of the less alike of the two channels."""
    return min(float(np.corrcoef(heard[:, side], source[:, side])[0, 1]) for side in (0, 1))


def onset(heard: Samples) -> int:
    """The first sample that is not silent."""
    return int(np.argmax(np.abs(heard).max(axis=1) > 1e-4))


def delay(heard: Samples, source: Samples) -> int:
    """How much later than in the source everything is heard, in samples, by the cross-correlation of both."""
    size = 2 ** int(np.ceil(np.log2(len(heard) + len(source))))
    spectrum = np.fft.rfft(heard.sum(axis=1), size) * np.conj(np.fft.rfft(source.sum(axis=1), size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard)]))


@pytest.mark.browser
async def test_players_play_the_beginning_and_any_other_place_as_the_source_has_it(
    browser: Browser, players: list[Path], songs: dict[str, Packaged]
) -> None:
    cases = [(song, player) for song in songs.values() for player in ("hls.js", "dash.js")]
    everything = await asyncio.gather(*(listen(browser, players, song, player) for song, player in cases))

    for (song, player), recordings in zip(cases, everything, strict=True):
        for heard, begin_s, length_s in zip(recordings, (0.0, MIDDLE_AT_S), (BEGIN_S, MIDDLE_S), strict=True):
            part = source()[round(begin_s * RATE_HZ) : round((begin_s + length_s) * RATE_HZ)]
            late = delay(heard, part)
            case = (song.base.split("/")[2], player, begin_s, late - onset(heard))
            assert correlation(heard[late : late + len(part)], part) >= 0.99, case
            assert abs(late - onset(heard)) < 0.4 * FRAME_S * RATE_HZ, case


async def statuses(base: str, **headers: str) -> set[int]:
    """What every manifest, and the first and the last of the segments, answer below an address."""
    async with httpx.AsyncClient(headers=headers, follow_redirects=True, timeout=30) as anybody:
        return {(await anybody.get(f"{base}/{name}")).status_code for name in (*MANIFESTS, *AUDIO)}


async def test_whoever_has_the_grant_plays_and_nobody_else_does(song: Packaged) -> None:
    media, song_id, package_id, grant = song.base.rsplit("/", 3)
    header, claims, signature = grant.split(".")
    async with await new_client(media.removesuffix("/v1/media")) as stranger:
        token = (await stranger.log_in(stranger._account.username, stranger._account.password)).access_token  # type: ignore[union-attr]  # has one

    assert await statuses(song.base) == {200}
    assert await statuses(song.base, Authorization=f"Bearer {token}") == {403}
    assert await statuses(f"{media}/{song_id}/{package_id}") <= {403, 404}
    assert await statuses(f"{media}/{song_id[::-1]}/{package_id}/{grant}") == {403}
    assert await statuses(f"{media}/{song_id}/{package_id[::-1]}/{grant}") == {403}
    assert await statuses(f"{media}/{song_id}/{package_id}/{header}.{claims}.{signature[::-1]}") == {403}


async def test_the_bucket_gives_nobody_a_segment_without_a_signature(song: Packaged) -> None:
    async with httpx.AsyncClient(timeout=30) as anybody:
        segment = (await anybody.get(f"{song.base}/128k/00001.m4s")).headers["location"]

        assert (await anybody.get(segment)).status_code == 200
        assert (await anybody.get(segment.partition("?")[0])).status_code == 403
        assert (await anybody.get(segment.replace("00001", "00002"))).status_code == 403
