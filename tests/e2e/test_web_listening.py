"""Does a person find, hear, change and delete songs in the browser, with the mouse and with keys alone?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from playwright.async_api import Browser, Page, Route, expect
from scipy.signal import resample_poly

from tests.e2e.conftest import new_client
from tests.e2e.ear import EAR, Place, Samples, hear, place
from tests.e2e.test_main_job import upload_one
from tests.e2e.visitor import Visitor, log_in, look_at, new_visitor
from tunescout.client import Client
from tunescout.synthesis import tune

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

RATE_HZ = 44_100
SONG_S = 14.0
SEEDS = {"Ebb": 9201, "Flow": 9202, "Tide": 9203, "Reef": 9204}
OWNED = ("Ebb", "Flow", "Tide")
SPEAKERS = """
(() => {
  const { Audio } = window;
  window.speakers = [];
  window.Audio = function () {
    const speaker = new Audio();
    window.speakers.push(speaker);
    return speaker;
  };
})();
"""
"""Holds on to what plays, which is in no document; a script to be run before those of the page."""


@cache
def sound(title: str, rate_hz: int = RATE_HZ) -> Samples:
    """Return a song whose sides are different tunes, shape (frames, 2)."""
    if rate_hz != RATE_HZ:
        resampled: Samples = resample_poly(sound(title), rate_hz, RATE_HZ, axis=0).astype(np.float32)
        return resampled
    seed = SEEDS[title]
    return np.stack([tune(seed, SONG_S, RATE_HZ), tune(seed + 50, SONG_S, RATE_HZ)], axis=1)


async def until_heard(page: Page, title: str, *, from_s: float = 0.0, gain_db: float | None = None) -> Place:
    """Wait until a song is heard without a break, behind a place of it, and as loud as it should be."""
    found = None
    try:
        async with asyncio.timeout(30):
            while True:
                if heard := await hear(page):
                    found = place(heard, sound(title, heard.sample_rate_hz))
                    if (
                        found.likeness > 0.98
                        and found.at_s >= from_s
                        and found.gain_db == pytest.approx(gain_db or found.gain_db, abs=0.3)
                    ):
                        return found
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError((title, found)) from None


@pytest.fixture(scope="module")
async def owner(url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """Somebody with three songs, one of which is packaged for adaptive streaming."""
    folder = tmp_path_factory.mktemp("listening")
    async with await new_client(url) as client:
        songs = [await upload_song(client, folder, title) for title in OWNED]
        await client.ask("POST", f"/v1/songs/{songs[-1]}/package")
        await until_is(client, f"/v1/songs/{songs[-1]}/package", lambda answer: answer.json()["status"] == "packaged")
        for song in songs:
            await until_is(client, f"/v1/songs/{song}/loudness", lambda answer: answer.status_code == 200)
        yield client


async def until_is(client: Client, path: str, is_so: Callable[[httpx.Response], bool]) -> None:
    async with asyncio.timeout(120):  # it gives way to everything else on the machine
        while not is_so(await client.ask("GET", path)):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def upload_song(client: Client, folder: Path, title: str) -> str:
    path = folder / f"{title}.wav"
    soundfile.write(path, sound(title), RATE_HZ)
    song_id = (await upload_one(client, path)).id
    await client.ask("PATCH", f"/v1/songs/{song_id}", json={"title": title})
    return song_id


async def song_id(client: Client, title: str) -> str:
    songs = (await client.ask("GET", "/v1/songs", params={"q": title})).json()["songs"]
    return str(songs[0]["id"])


@pytest.fixture
async def visitor(browser: Browser, url: str) -> AsyncIterator[Visitor]:
    visitor = await new_visitor(browser, url)
    yield visitor
    await visitor.leave()


@pytest.fixture
async def listener(browser: Browser, url: str) -> AsyncIterator[Visitor]:
    """Somebody whose browser notes what it sends to the loudspeakers."""
    listener = await new_visitor(browser, url)
    await listener.context.add_init_script(EAR)
    yield listener
    await listener.leave()


async def open_library(visitor: Visitor, owner: Client, first: str = "Tide") -> Page:
    page = await visitor.open()
    account = owner._account
    assert account is not None
    await log_in(page, account.username, account.password)
    await expect(play(page, first)).to_be_visible()
    return page


def play(page: Page, title: str):  # type: ignore[no-untyped-def]  # a Locator
    return page.get_by_role("button", name=re.compile(f"^Play {title}"))


async def test_song_is_heard_at_its_loudness_and_where_somebody_goes_in_it(listener: Visitor, owner: Client) -> None:
    page = await open_library(listener, owner)
    await play(page, "Tide").click()

    loudness = (await owner.ask("GET", f"/v1/songs/{await song_id(owner, 'Tide')}/loudness")).json()
    assert abs(loudness["gain_db"]) > 0.6
    await until_heard(page, "Tide", gain_db=loudness["gain_db"])

    bar = page.get_by_role("region", name="Player")
    await bar.get_by_role("button", name="Pause").click()
    await expect(bar.get_by_role("button", name="Play")).to_be_visible()
    await page.get_by_role("button", name="Sound", exact=True).click()
    await page.get_by_role("checkbox", name="Same loudness").uncheck()
    await page.keyboard.press("Escape")
    slider = page.get_by_role("slider", name="Position in the song")
    await slider.press("Home")
    await slider.press("ArrowRight")
    await expect(slider).to_have_attribute("aria-valuetext", "5 seconds of 14 seconds")
    await slider.press(" ")
    there = await until_heard(page, "Tide", from_s=5.6)
    assert there.gain_db == pytest.approx(0, abs=0.3)


async def test_next_song_follows_and_keys_reach_everything(listener: Visitor, owner: Client) -> None:
    page = await open_library(listener, owner)
    await play(page, "Tide").focus()
    await page.keyboard.press("Enter")
    await until_heard(page, "Tide")
    await page.keyboard.press("n")
    await until_heard(page, "Flow")
    await page.get_by_role("link", name="Account").click()
    await expect(page.get_by_role("heading", name="Account", level=1)).to_be_visible()
    await page.get_by_role("slider", name="Position in the song").press("End")
    await until_heard(page, "Ebb")


async def test_song_goes_on_at_its_place_when_its_address_has_ended(listener: Visitor, owner: Client, url: str) -> None:
    page = await open_library(listener, owner)
    refused = 0

    async def refuse_once(route: Route) -> None:
        nonlocal refused
        refused += 1
        if refused == 1:
            await route.fulfill(status=403, headers={"Access-Control-Allow-Origin": url})
        else:
            await route.continue_()

    await listener.context.route(re.compile("/(blobs|tunescout)/songs/"), refuse_once)
    await play(page, "Flow").click()
    await until_heard(page, "Flow")
    assert refused > 1
    assert all("403" in complaint for complaint in listener.complaints)
    listener.complaints.clear()


async def test_lost_song_comes_back_by_itself_at_its_place_and_speed_and_stops_when_the_system_stops_it(
    visitor: Visitor, owner: Client
) -> None:
    await visitor.context.add_init_script(SPEAKERS)
    page = await open_library(visitor, owner)
    await play(page, "Tide").click()
    bar = page.get_by_role("region", name="Player")
    await bar.get_by_role("button", name="Sound", exact=True).click()
    await bar.get_by_role("group", name="Speed").get_by_role("radio").first.check()  # half as fast
    await page.keyboard.press("Escape")

    await visitor.context.set_offline(True)
    await page.keyboard.press("n")  # this one may be there already
    await page.keyboard.press("n")
    await expect(bar.get_by_role("alert")).to_contain_text("cannot be reached")
    await page.keyboard.press("ArrowRight")
    await visitor.context.set_offline(False)
    slider = page.get_by_role("slider", name="Position in the song")
    await expect(slider).to_have_attribute("aria-valuetext", re.compile("^([6-9]|1[0-4]) seconds"))
    assert await page.evaluate("speakers.some((one) => !one.paused && one.playbackRate === 0.5)")
    await expect(bar.get_by_role("alert")).to_have_count(0)

    await page.evaluate("speakers.forEach((one) => one.pause())")
    await expect(bar.get_by_role("button", name="Play")).to_be_visible()
    assert all("Failed to load resource" in complaint for complaint in visitor.complaints)
    visitor.complaints.clear()


async def test_next_song_that_is_gone_is_asked_for_once_and_told_of_when_it_is_its_turn(
    visitor: Visitor, owner: Client
) -> None:
    page = await open_library(visitor, owner)
    asked = 0

    async def refuse(route: Route) -> None:
        nonlocal asked
        asked += 1
        await route.fulfill(status=404, json={"code": "song_not_found", "detail": "there is no such song"})

    await visitor.context.route(f"**/v1/songs/{await song_id(owner, 'Flow')}/stream", refuse)
    await play(page, "Tide").click()
    slider = page.get_by_role("slider", name="Position in the song")
    await expect(slider).to_have_attribute("aria-valuetext", re.compile("^[3-9] seconds"))
    assert asked == 1
    await page.keyboard.press("n")
    await expect(page.get_by_role("region", name="Player").get_by_role("alert")).to_contain_text(
        "There is no such song"
    )
    assert asked == 2
    assert all("404" in complaint for complaint in visitor.complaints)
    visitor.complaints.clear()


async def test_words_narrow_the_list_as_one_types(visitor: Visitor, owner: Client) -> None:
    page = await open_library(visitor, owner)
    await page.keyboard.press("/")
    await page.keyboard.type("tid")
    await expect(play(page, "Ebb")).to_have_count(0)
    await play(page, "Tide").click()
    await expect(page.get_by_role("slider", name="Position in the song")).not_to_have_value("0")
    await page.get_by_role("searchbox").fill("flo")
    await expect(play(page, "Flow")).to_be_visible()
    await page.keyboard.type("x")
    await expect(page.get_by_text("Nothing fits")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(play(page, "Ebb")).to_be_visible()


async def test_song_is_edited_deleted_and_brought_back(visitor: Visitor, owner: Client) -> None:
    page = await open_library(visitor, owner)
    edited = await song_id(owner, "Flow")
    await play(page, "Tide").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("e")
    await page.get_by_role("textbox", name="Artist").fill("The Moon")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_role("button", name="Play Flow by The Moon")).to_be_focused()
    assert (await owner.ask("GET", f"/v1/songs/{edited}")).json()["artist"] == "The Moon"

    await page.keyboard.press("Delete")
    await expect(play(page, "Flow")).to_have_count(0)
    await expect(play(page, "Ebb")).to_be_focused()
    await page.get_by_role("button", name="Undo").click()
    await expect(play(page, "Flow")).to_be_visible()
    assert (await owner.ask("GET", f"/v1/songs/{edited}")).json()["status"] == "ready"


async def test_deletion_is_not_forgotten_when_the_page_is_left(visitor: Visitor, url: str, tmp_path: Path) -> None:
    async with await new_client(url) as somebody:
        deleted = await upload_song(somebody, tmp_path, "Reef")
        page = await open_library(visitor, somebody, "Reef")
        await page.get_by_role("button", name="More for Reef").click()
        await page.get_by_role("menuitem", name="Delete").click()
        await expect(play(page, "Reef")).to_have_count(0)
        await page.goto("about:blank")
        await until_is(somebody, "/v1/songs", lambda answer: deleted not in answer.text)


async def test_library_and_player_have_no_barrier(
    browser: Browser,
    url: str,
    owner: Client,
) -> None:
    visitor = await new_visitor(browser, url, reduced_motion="reduce", bypass_csp=True)  # for axe
    page = await open_library(visitor, owner)
    await play(page, "Tide").click()
    await expect(page.get_by_role("region", name="Player").get_by_role("button", name="Pause")).to_be_visible()
    await page.get_by_role("button", name="Queue", exact=True).click()
    await look_at(page, "playing")
    await page.keyboard.press("Escape")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.get_by_role("button", name="Open the player").click()
    await look_at(page, "player-sheet")
    await page.get_by_role("button", name="Close the player").click()
    await page.set_viewport_size({"width": 1440, "height": 900})
    await page.get_by_role("button", name="More for Flow").click()
    await page.get_by_role("menuitem", name=re.compile("Edit")).click()
    await look_at(page, "song-edit")
    await visitor.leave()
