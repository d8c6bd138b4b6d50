"""Does a person get in, stay in and get out again, on pages that everybody can use?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.visitor import PASSWORD, Visitor, heading, log_in, look_at, new_visitor, sign_up

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PAGES = {
    "login": ("/login", "Log in"),
    "signup": ("/signup", "Make an account"),
    "library": ("/", "Library"),
    "artists": ("/artists", "Library"),
    "albums": ("/albums", "Library"),
    "equalizer": ("/equalizer", "Equalizer"),
    "account": ("/account", "Account"),
    "nowhere": ("/nowhere", "Not found"),
}
"""Every page by the name of its picture: where it is, and its heading."""


@pytest.fixture
async def visitor(browser: Browser, url: str) -> AsyncIterator[Visitor]:
    visitor = await new_visitor(browser, url)
    yield visitor
    await visitor.leave()


async def test_person_comes_back_to_where_they_wanted_and_ends_a_session_elsewhere(
    visitor: Visitor, browser: Browser
) -> None:
    page = await visitor.open("/account")
    name = await sign_up(page)
    await expect(heading(page, "Account")).to_be_visible()
    await page.get_by_role("button", name="Log out", exact=True).click()
    await expect(heading(page, "Log in")).to_be_visible()
    assert visitor.complaints == []

    await log_in(page, name, "another pass phrase")
    await expect(page.get_by_text("The user name or the password is wrong.")).to_be_visible()
    visitor.complaints.clear()  # browsers complain about every refusal
    await log_in(page, name)
    await expect(heading(page, "Account")).to_be_visible()

    elsewhere = await new_visitor(browser, visitor.url)
    other = await elsewhere.open()
    await log_in(other, name)
    await expect(heading(other, "Library")).to_be_visible()
    await page.reload()
    await page.get_by_role("button", name=re.compile("End the session")).click()
    await expect(page.get_by_role("button", name=re.compile("End the session"))).to_have_count(0)
    await other.reload()
    await expect(heading(other, "Log in")).to_be_visible()
    await expect(other.get_by_text("Your session has ended.")).to_be_visible()
    await elsewhere.context.close()


async def test_session_survives_tabs_that_reload_at_once_and_in_the_middle_of_a_refresh(visitor: Visitor) -> None:
    page = await visitor.open()
    await sign_up(page)
    tabs = [page, await visitor.open("/account"), await visitor.open()]

    for _ in range(2):  # the scripts have run and asked for a token, and their answers are lost
        await asyncio.gather(*(tab.reload(wait_until="domcontentloaded") for tab in tabs))
    await asyncio.gather(*(tab.reload() for tab in tabs))

    for tab, words in zip(tabs, ("Library", "Account", "Library"), strict=True):
        await expect(heading(tab, words)).to_be_visible(timeout=20_000)

    await tabs[1].get_by_role("button", name="Log out", exact=True).click()
    for tab in tabs:
        await expect(heading(tab, "Log in")).to_be_visible()


async def test_open_tab_knows_who_has_logged_in_beside_it(visitor: Visitor) -> None:
    page = await visitor.open("/account")
    first = await sign_up(page)
    await page.get_by_role("button", name="Log out", exact=True).click()
    await expect(heading(page, "Log in")).to_be_visible()
    second = await sign_up(page)
    await page.get_by_role("link", name="Account").click()
    await expect(page.get_by_text(f"Signed in as {second}")).to_be_visible()

    await visitor.context.clear_cookies()
    beside = await visitor.open("/login")
    await log_in(beside, first)
    await expect(page.get_by_text(f"Signed in as {first}")).to_be_visible()
    assert all("401" in complaint for complaint in visitor.complaints)
    visitor.complaints.clear()


async def test_account_ends_with_its_password_and_nothing_else(visitor: Visitor) -> None:
    page = await visitor.open("/account")
    await sign_up(page)
    new_password = "another long pass phrase"
    await page.get_by_label("Password so far").fill(PASSWORD)
    await page.get_by_label("New password").fill(new_password)
    await page.get_by_role("button", name="Change the password").click()
    await expect(page.get_by_text("Your password is changed.")).to_be_visible()

    await page.get_by_role("button", name=re.compile("Delete my account")).click()
    await page.get_by_label("Your password").fill(PASSWORD)
    await page.get_by_role("button", name="Delete everything").click()
    await expect(page.get_by_text("The password is wrong.")).to_be_visible()
    visitor.complaints.clear()
    await page.get_by_label("Your password").fill(new_password)
    await page.get_by_role("button", name="Delete everything").click()
    await expect(heading(page, "Log in")).to_be_visible()


async def test_page_that_does_not_arrive_says_so_and_comes_when_it_is_loaded_again(visitor: Visitor) -> None:
    page = await visitor.open()
    await sign_up(page)
    await visitor.context.route("**/assets/account-*.js", lambda route: route.abort())
    await page.get_by_role("link", name="Account").click()
    await expect(heading(page, "Not loaded")).to_be_visible()
    visitor.complaints.clear()  # browsers complain about what is lost
    await visitor.context.unroute_all()
    await page.get_by_role("button", name="Load it again").click()
    await expect(heading(page, "Account")).to_be_visible()


@pytest.mark.parametrize("url", [pytest.param("one_process", marks=pytest.mark.core), "stack"], indirect=True)
async def test_page_has_no_barrier_and_no_scrolling_sideways_in_any_size_or_light(browser: Browser, url: str) -> None:
    # Axe is added as a script.
    visitor = await new_visitor(browser, url, bypass_csp=True, reduced_motion="reduce")
    page = await visitor.open()
    for name, (path, words) in PAGES.items():
        if name == "library":
            await page.goto(f"{visitor.url}/login")
            await sign_up(page)
        await page.goto(visitor.url + path)
        await expect(heading(page, words)).to_be_visible()
        await expect(page.locator(".skeleton")).to_have_count(0)
        await look_at(page, name)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await look_at(page, "shortcuts")
    await visitor.leave()
