"""Does a person find their way through artists, albums and a long list, and back, by addresses that can be shared?"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from bench.browsing import fill, made_up
from deploy.local.one_process import OneProcess
from tests.e2e.conftest import new_client
from tests.e2e.visitor import Visitor, heading, log_in, look_at, new_visitor

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SONGS = 450
NAMES = [
    ("Ebb", "The Sea", "Tides"),
    ("Flow", "The Sea", "Tides"),
    ("Reef", "The Sea", "Under"),
    ("Gull", "The Air", "Tides"),
    ("A Stray", None, None),
]


@pytest.fixture(scope="module")
async def owner(one_process: OneProcess) -> AsyncIterator[tuple[str, str]]:
    """Name and password of somebody with songs that nobody else sees; they have no audio."""
    async with await new_client(one_process.url) as client:
        me = (await client.ask("GET", "/v1/auth/me")).json()["user_id"]
        songs = [dataclasses.replace(song, owner=me, visibility="private") for song in made_up(SONGS, me, seed=3)]
        for number, (title, artist, album) in enumerate(NAMES):
            tags = songs[number].tags.model_copy(
                update={"title": title, "artist": artist, "album": album, "track": None}
            )
            songs[number] = dataclasses.replace(songs[number], tags=tags)
        await fill(one_process.data, songs)
        assert client._account is not None
        yield client._account.username, client._account.password


@pytest.fixture
async def page(browser: Browser, one_process: OneProcess, owner: tuple[str, str]) -> AsyncIterator[Page]:
    visitor: Visitor = await new_visitor(browser, one_process.url, reduced_motion="reduce", bypass_csp=True)  # for axe
    page = await visitor.open("/?mine=1")
    await log_in(page, *owner)
    await expect(page.get_by_text(f"{SONGS} songs")).to_be_visible()
    yield page
    await visitor.leave()


async def titles(page: Page) -> list[str]:
    return await page.get_by_role("list", name="Songs").locator("strong").all_inner_texts()


async def test_artist_and_album_have_addresses_of_their_own_and_lead_back(page: Page) -> None:
    await page.get_by_role("link", name="Artists").click()
    await page.get_by_role("searchbox", name="Find an artist").fill("the")
    await expect(page).to_have_url(re.compile("q=the"))
    await page.get_by_role("link", name=re.compile("^The Sea.*3 songs$")).click()
    await expect(heading(page, "The Sea")).to_be_focused()
    await expect(page.get_by_text("3 songs", exact=True)).to_be_visible()
    assert await titles(page) == ["Ebb", "Flow", "Reef"]
    await page.get_by_role("searchbox", name="Search in The Sea").fill("under")
    await expect(page.get_by_text("1 song", exact=True)).to_be_visible()

    await page.reload()
    await expect(heading(page, "The Sea")).to_be_visible()
    await page.get_by_role("link", name="Under").click()
    await expect(heading(page, "Under")).to_be_visible()
    await expect(page.get_by_text("Album by The Sea")).to_be_visible()
    assert await titles(page) == ["Reef"]
    await page.go_back()
    await page.go_back()
    await expect(page.get_by_role("link", name=re.compile("^The Air"))).to_be_visible()
    await expect(page.get_by_role("searchbox", name="Find an artist")).to_have_value("the")

    await page.get_by_role("link", name="Albums").click()
    await page.get_by_role("searchbox", name="Find an album").fill("tid")
    await expect(page.get_by_role("link", name=re.compile("^Tides The Sea 2 songs$"))).to_be_visible()
    await expect(page.get_by_role("link", name=re.compile("^Tides The Air 1 song$"))).to_be_visible()


async def test_what_nobody_knows_of_a_song_is_not_made_up(page: Page) -> None:
    await page.get_by_role("searchbox").fill("a stray")
    await expect(page.get_by_role("button", name="Play A Stray", exact=True)).to_be_visible()
    assert "nknown" not in await page.get_by_role("list", name="Songs").inner_text()
    await page.goto(page.url.partition("?")[0] + "?artist=&mine=1")
    await expect(heading(page, "Unknown artist")).to_be_visible()
    await expect(page.get_by_role("button", name="Play A Stray", exact=True)).to_be_visible()


async def test_long_list_is_gone_through_by_keys_in_the_order_that_was_chosen_last(page: Page) -> None:
    await page.get_by_label("Order").select_option("title")
    first = page.locator("[aria-posinset='1'] strong")
    await expect(first).to_have_text("A Stray")
    await page.keyboard.press("j")
    await expect(first.locator("xpath=ancestor::button")).to_be_focused()
    await page.keyboard.press("End")
    last = page.locator(f"[aria-posinset='{SONGS}']")
    await expect(last.get_by_role("button", name=re.compile("^Play"))).to_be_focused()
    ends = await last.locator("strong").inner_text()
    await page.keyboard.press("ArrowUp")
    await expect(page.locator(f"[aria-posinset='{SONGS - 1}'] .song-play")).to_be_focused()
    assert (await page.locator(f"[aria-posinset='{SONGS - 1}'] strong").inner_text()).casefold() <= ends.casefold()

    there = await page.evaluate("scrollY")
    await page.get_by_role("link", name="Account").click()
    await expect(heading(page, "Account")).to_be_visible()
    await page.go_back()
    await expect(last).to_be_visible()
    assert await page.evaluate("scrollY") == pytest.approx(there, abs=2)

    await page.goto(page.url.partition("?")[0] + "?mine=1")
    await expect(first).to_have_text("A Stray")


async def test_artists_albums_and_one_of_each_have_no_barrier(page: Page) -> None:
    url = page.url.partition("?")[0]
    for name, path in (
        ("artists", "artists?mine=1"),
        ("albums", "albums?mine=1"),
        ("artist", "?artist=The+Sea&mine=1"),
        ("album", "?album=Tides&artist=The+Sea"),
    ):
        await page.goto(url + path)
        await expect(page.locator(".group, .song strong").first).to_be_visible()
        await look_at(page, f"library-{name}")
